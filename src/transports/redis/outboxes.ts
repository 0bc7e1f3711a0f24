import { chunksBySize } from "../../batches.js";
import { isUnavailable } from "../../errors.js";
import type { RedisConnection } from "../../redis/connection.js";
import { encodeBundle } from "./wire.js";

interface Waiting {
  readonly message: string;
  readonly resolve: (receivers: number) => void;
  readonly reject: (error: unknown) => void;
}

/** How many characters go in one message. */
const MAX_LENGTH = 1024 * 1024;

/**
 * Messages to inboxes of a cluster. One is under way to each at a time, and what is called for meanwhile, or within a tick, goes in
 * the next one: a message that is redirected, as its slot moves, is not overtaken. Where the server is away, what waits fails together.
 */
export class Outboxes {
  readonly #connection: RedisConnection;
  /** By inbox; it is there while something is under way. */
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  /** Resolves how many have got it. */
  send(inbox: string, message: string): Promise<number> {
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(inbox);
      const own = { message, resolve, reject };
      if (waiting) {
        waiting.push(own);
        return;
      }
      this.#waiting.set(inbox, [own]);
      process.nextTick(() => void this.#sendAll(inbox));
    });
  }

  async #sendAll(inbox: string): Promise<void> {
    for (let all = this.#take(inbox); all.length > 0; all = this.#take(inbox)) {
      let failure: unknown;
      for (const some of chunksBySize(all, MAX_LENGTH, ({ message }) => message.length)) {
        if (failure) rejectAll(some, failure);
        else failure = await this.#send(inbox, some);
      }
    }
    this.#waiting.delete(inbox);
  }

  #take(inbox: string): Waiting[] {
    return this.#waiting.get(inbox)!.splice(0);
  }

  /** Resolves why the server cannot be asked, if that is so. */
  async #send(inbox: string, some: readonly Waiting[]): Promise<unknown> {
    const messages = some.map(({ message }) => message);
    try {
      const receivers = await this.#connection.publish(
        inbox,
        messages.length === 1 ? messages[0]! : encodeBundle(messages),
      );
      for (const { resolve } of some) resolve(receivers);
      return undefined;
    } catch (error) {
      const isAway = isUnavailable(error);
      // What has waited for that would not fare better.
      rejectAll(isAway ? [...some, ...this.#take(inbox)] : some, error);
      return isAway ? error : undefined;
    }
  }
}

function rejectAll(some: readonly Waiting[], error: unknown): void {
  for (const { reject } of some) reject(error);
}
