// A WebSocket client that remembers what it receives.
import { EventEmitter, once } from "node:events";
import { isDeepStrictEqual } from "node:util";

import { WebSocket } from "ws";

import { Unexpected } from "./expect.js";

/** What travels as JSON, in both directions. */
export interface Message {
  route: string;
  msg: unknown;
}

/** How long a message may take. */
const PATIENCE_MS = 5000;

export class Client {
  readonly uid: string;
  readonly #socket: WebSocket;
  readonly #received: Message[] = [];
  readonly #events = new EventEmitter();

  /** Resolves when `uid` is connected to the frontend at `url`. */
  static async connect(uid: string, url: string): Promise<Client> {
    const client = new Client(uid, url);
    await once(client.#socket, "open");
    return client;
  }

  private constructor(uid: string, url: string) {
    this.uid = uid;
    this.#socket = new WebSocket(`${url}?uid=${encodeURIComponent(uid)}`);
    this.#socket.on("message", (data: Buffer) => {
      this.#received.push(JSON.parse(data.toString()) as Message);
      this.#events.emit("change");
    });
    this.#socket.on("close", () => this.#events.emit("change"));
    // An error closes the connection, which is all that matters here.
    this.#socket.on("error", () => {});
  }

  send(message: Message): void {
    this.#socket.send(JSON.stringify(message));
  }

  /** Waits for `last`, and returns what has come before it since the last call. */
  async receivedBefore(last: Message): Promise<Message[]> {
    let index = -1;
    await this.#until(`did not receive ${JSON.stringify(last)}`, () => {
      index = this.#received.findIndex((message) => isDeepStrictEqual(message, last));
      if (index < 0 && this.#isClosed) throw new Unexpected(`the connection of ${this.uid} is closed`);
      return index >= 0;
    });
    return this.#received.splice(0, index + 1).slice(0, index);
  }

  /** Waits until the connection is closed, and returns what has come since the last call. */
  async receivedBeforeClose(): Promise<Message[]> {
    await this.#until("is still connected", () => this.#isClosed);
    return this.#received.splice(0);
  }

  close(): void {
    this.#socket.terminate();
  }

  get #isClosed(): boolean {
    return this.#socket.readyState === WebSocket.CLOSED;
  }

  async #until(failure: string, condition: () => boolean): Promise<void> {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    while (!condition()) {
      await once(this.#events, "change", { signal }).catch(() => {
        throw new Unexpected(`${this.uid} ${failure}`);
      });
    }
  }
}
