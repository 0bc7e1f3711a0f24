import { createServer } from "node:http";
import type { Frontend } from "globalchannel";
import { SocketIoConnector } from "globalchannel/socket.io";
import { listenLocally } from "../support/listen.js";
import type { Receiver, ReceiverOptions } from "./contender.js";
import { frontendOf, MAX_BUFFERED_BYTES } from "./globalchannel.js";
import { socketIoServer, uidOf } from "./socket-io-server.js";

/** A frontend of this library whose clients are those of a Socket.IO server, which has no adapter for Redis. */
export class GlobalChannelSocketIoReceiver implements Receiver {
  readonly #frontend: Frontend;
  readonly #server = createServer();

  /** @param prefix of its keys in Redis */
  constructor(options: ReceiverOptions, prefix: string) {
    if (options.clients === "none") throw new Error("without clients this is what `globalchannel` is");
    const io = socketIoServer(this.#server);
    const connector = new SocketIoConnector({ io, uid: uidOf, maxBufferedBytes: MAX_BUFFERED_BYTES });
    this.#frontend = frontendOf(options, connector, prefix);
  }

  async start(): Promise<number> {
    await this.#frontend.start();
    return listenLocally(this.#server);
  }
}
