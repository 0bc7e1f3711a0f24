import type { Awaitable } from "../../types.js";
import type { AnySocket } from "./options.js";

/** How many messages of a client may have been taken in and not be handled yet; a connection of Socket.IO cannot be paused. */
const MAX_UNHANDLED = 1000;

type Connection = AnySocket["conn"];

/** A socket of whom it is known whose it is. */
export class Session {
  readonly #connection: Connection;
  /** What waits until the connection takes more, and what it has taken and may not have sent yet. */
  #waiting = 0;
  #sending = 0;
  /** Since it has too much unsent: whether it has been offered to the client meanwhile. */
  #full: "just now" | "still" | undefined;
  #unhandled = 0;

  constructor(
    readonly uid: string,
    readonly socket: AnySocket,
  ) {
    this.#connection = socket.conn;
    this.#connection.on("packetCreate", this.#queued);
    this.#connection.on("flush", this.#flushed);
  }

  /** Its connection may live on for other namespaces. */
  release(): void {
    this.#connection.off("packetCreate", this.#queued);
    this.#connection.off("flush", this.#flushed);
  }

  /** How much it has not sent yet: bytes, of texts characters. */
  get buffered(): number {
    return this.#waiting + (this.#connection.transport.writable ? 0 : this.#sending);
  }

  /** Whether more than `limit` is unsent. What was written just now says nothing of the client: it is offered to it first. */
  isTooSlow(limit: number): boolean {
    if (this.buffered <= limit) return false;
    if (this.#full === undefined) {
      this.#full = "just now";
      setImmediate(() => {
        if (this.#full) this.#full = "still";
      });
    }
    return this.#full === "still";
  }

  /** Has sent a message that is handled when `handling` resolves. Calls `flooded` if too many are not. */
  handle(handling: Awaitable<void>, flooded: () => void): void {
    if (!(handling instanceof Promise)) return;
    this.#unhandled++;
    const done = (): void => void this.#unhandled--;
    handling.then(done, done);
    if (this.#unhandled !== MAX_UNHANDLED) return;
    // Those that have arrived together are handed over before any promise can resolve: that says nothing of the client.
    setImmediate(() => {
      if (this.#unhandled >= MAX_UNHANDLED) flooded();
    });
  }

  readonly #queued = ({ data }: { data?: unknown }): void => {
    this.#waiting += sizeOf(data);
  };

  readonly #flushed = (): void => {
    this.#sending = this.#waiting;
    this.#waiting = 0;
    this.#full = undefined;
  };
}

function sizeOf(data: unknown): number {
  if (typeof data === "string") return data.length;
  return ArrayBuffer.isView(data) || data instanceof ArrayBuffer ? data.byteLength : 0;
}
