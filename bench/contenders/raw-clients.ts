import { createServer } from "node:http";
import type { Socket } from "node:net";
import * as ws from "ws";
import { listenLocally } from "../support/listen.js";
import type { Receiver, ReceiverOptions } from "./contender.js";
import { ROUTE } from "./message.js";
import { RawInbox } from "./raw.js";

/** Part of what `ws` offers, but not of its types. */
interface FrameSender {
  frame(data: Buffer, options: { fin: boolean; opcode: number; mask: boolean; rsv1: boolean }): Buffer[];
}

const { Sender } = ws as unknown as { Sender: FrameSender };
const FRAME_OPTIONS = { fin: true, opcode: 1, mask: false, rsv1: false };

/** The limit with real clients: each message is one frame, encoded once and written to every client of the frontend. */
export class RawClientsReceiver implements Receiver {
  readonly #inbox: RawInbox;
  readonly #server = createServer();
  readonly #sockets = new Set<Socket>();
  #isCorked = false;

  constructor(options: ReceiverOptions) {
    this.#inbox = new RawInbox(options, (text) => this.#writeToAll(frameOf(text)));
    new ws.WebSocketServer({ server: this.#server, perMessageDeflate: false }).on(
      "connection",
      (client, { socket }) => {
        this.#sockets.add(socket);
        client.on("close", () => this.#sockets.delete(socket)).on("error", () => {});
      },
    );
  }

  async start(): Promise<number> {
    await this.#inbox.start();
    return listenLocally(this.#server);
  }

  /** All that one tick writes to a client leaves in one system call. */
  #writeToAll(frame: Buffer): void {
    if (!this.#isCorked) {
      this.#isCorked = true;
      for (const socket of this.#sockets) socket.cork();
      setImmediate(() => this.#uncorkAll());
    }
    for (const socket of this.#sockets) socket.write(frame);
  }

  #uncorkAll(): void {
    this.#isCorked = false;
    for (const socket of this.#sockets) socket.uncork();
  }
}

/** The same bytes as those of `globalchannel`, so that clients have the same work with them. */
function frameOf(text: string): Buffer {
  return Buffer.concat(Sender.frame(Buffer.from(`{"route":"${ROUTE}","msg":${text}}`), FRAME_OPTIONS));
}
