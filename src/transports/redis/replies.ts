import { reportError } from "../../diagnostics.js";
import type { RedisConnection } from "../../redis/connection.js";
import { type Outcome, ReplyWriter } from "./wire.js";

/** What frontends have to say to callers: all of one tick from one frontend to one caller goes in one message. */
export class Replies {
  readonly #connection: RedisConnection;
  /** Of this tick: caller -> sid -> replies. */
  readonly #writers = new Map<string, Map<string, ReplyWriter>>();

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  add(to: string, sid: string, id: number, outcome: Outcome): void {
    this.#writer(to, sid).add(id, outcome);
  }

  /** Says that requests may have been missed, or which ones were. */
  addMissed(to: string, sid: string, ids?: readonly number[]): void {
    this.#writer(to, sid).addMissed(ids);
  }

  flush(): void {
    for (const [to, bySid] of this.#writers) {
      for (const writer of bySid.values()) {
        const message = writer.end();
        // A reply that is lost is asked for again by its caller, or leaves it not knowing, which is what its report says.
        this.#connection
          .publish(this.#connection.layout.of(to).replies(to), message)
          .catch((error: unknown) => reportError(this, error));
      }
    }
    this.#writers.clear();
  }

  #writer(to: string, sid: string): ReplyWriter {
    if (this.#writers.size === 0) process.nextTick(() => this.flush());
    let bySid = this.#writers.get(to);
    if (!bySid) this.#writers.set(to, (bySid = new Map()));
    let writer = bySid.get(sid);
    if (!writer) bySid.set(sid, (writer = new ReplyWriter(sid)));
    return writer;
  }
}
