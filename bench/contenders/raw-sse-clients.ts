import { createServer, type ServerResponse } from "node:http";
import { listenLocally } from "../support/listen.js";
import type { Receiver, ReceiverOptions } from "./contender.js";
import { ROUTE } from "./message.js";
import { RawInbox } from "./raw.js";

/** The limit with clients of Server-Sent Events: each message is encoded once and written to every response of the frontend. */
export class RawSseClientsReceiver implements Receiver {
  readonly #inbox: RawInbox;
  readonly #responses = new Set<ServerResponse>();
  readonly #server = createServer((_request, response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
    this.#responses.add(response);
    response.on("close", () => this.#responses.delete(response));
  });

  /** @param prefix of its channels in Redis */
  constructor(options: ReceiverOptions, prefix: string) {
    this.#inbox = new RawInbox(options, (text) => this.#writeToAll(text), prefix);
  }

  async start(): Promise<number> {
    await this.#inbox.start();
    return listenLocally(this.#server);
  }

  #writeToAll(text: string): void {
    const event = Buffer.from(`event: ${ROUTE}\ndata: ${text}\n\n`);
    for (const response of this.#responses) response.write(event);
  }
}
