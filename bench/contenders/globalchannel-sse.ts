import { createServer } from "node:http";
import type { Frontend } from "globalchannel";
import { SseConnector } from "globalchannel/sse";
import { listenLocally } from "../support/listen.js";
import type { Receiver, ReceiverOptions } from "./contender.js";
import { frontendOf, MAX_BUFFERED_BYTES } from "./globalchannel.js";
import { uidOfUrl } from "./uid-of-url.js";

/** A frontend of this library whose clients read Server-Sent Events. */
export class GlobalChannelSseReceiver implements Receiver {
  readonly #frontend: Frontend;
  readonly #connector = new SseConnector({
    maxBufferedBytes: MAX_BUFFERED_BYTES,
    // None while the bench runs, as with the others.
    heartbeatMs: 24 * 3600 * 1000,
  });

  /** @param prefix of its keys in Redis */
  constructor(options: ReceiverOptions, prefix: string) {
    if (options.clients === "none") throw new Error("without clients this is what `globalchannel` is");
    this.#frontend = frontendOf(options, this.#connector, prefix);
  }

  async start(): Promise<number> {
    await this.#frontend.start();
    return listenLocally(
      createServer((request, response) => this.#connector.handle(request, response, uidOfUrl(request))),
    );
  }
}
