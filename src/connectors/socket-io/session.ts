import type { Awaitable } from "../../types.js";
import { Fullness } from "../fullness.js";
import type { AnySocket } from "./options.js";
import { webSocketUnder } from "./web-socket-under.js";

/** How many messages of a client may have been taken in and not be handled yet; a connection of Socket.IO cannot be paused. */
const MAX_UNHANDLED = 1000;

type Connection = AnySocket["conn"];

/** A socket of whom it is known whose it is. */
export class Session {
  readonly #connection: Connection;
  /** Whether its connection is watched: only while it takes nothing, as that costs something for every packet. */
  #isWatched = false;
  /** What has come since then. */
  #waiting = 0;
  readonly #fullness = new Fullness();
  #unhandled = 0;

  constructor(
    readonly uid: string,
    readonly socket: AnySocket,
  ) {
    this.#connection = socket.conn;
  }

  /** Its connection may live on for other namespaces. */
  release(): void {
    this.#unwatch();
  }

  /** How much waits until the client takes more: bytes, of texts characters. */
  get buffered(): number {
    return this.#waiting;
  }

  /** Whether more than `limit` waits for the client; to be asked before each message. See {@link Fullness}. */
  isTooSlow(limit: number): boolean {
    if (this.#connection.transport.writable) return false;
    this.#watch();
    return this.#fullness.update(this.#waiting > limit);
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

  #watch(): void {
    if (this.#isWatched) return;
    this.#isWatched = true;
    this.#connection.on("packetCreate", this.#queued);
    this.#connection.on("flush", this.#flushed);
  }

  #unwatch(): void {
    this.#connection.off("packetCreate", this.#queued);
    this.#connection.off("flush", this.#flushed);
    this.#isWatched = false;
    this.#waiting = 0;
    this.#fullness.update(false);
  }

  readonly #queued = ({ data }: { data?: unknown }): void => {
    this.#waiting += sizeOf(data);
  };

  readonly #flushed = (packets: readonly unknown[]): void => {
    this.#unwatch();
    if (packets.length > 1) sendTogether(this.#connection);
  };
}

/** What the connection is about to write leaves in one system call, which costs more than all else that a packet does. */
function sendTogether(connection: Connection): void {
  const stream = webSocketUnder(connection)?.["_socket"];
  if (!stream?.cork || !stream.uncork) return;
  stream.cork();
  process.nextTick(() => stream.uncork!());
}

function sizeOf(data: unknown): number {
  if (typeof data === "string") return data.length;
  return ArrayBuffer.isView(data) || data instanceof ArrayBuffer ? data.byteLength : 0;
}
