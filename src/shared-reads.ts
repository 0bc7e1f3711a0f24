import { setImmediate, setTimeout as sleep } from "node:timers/promises";

/** For how long a read may hold up the next one, in milliseconds: one that hangs is not to stop everybody. */
const PATIENCE_MS = 1000;

/**
 * Reads that callers share: while one of a key is under way, those who ask for that key wait together for the next one, which
 * begins after they have asked, so that it tells them of all that was done before. Without any under way, those of one turn
 * of the event loop are one; and whoever asks without end, of a store that answers at once, leaves others their turn.
 */
export class SharedReads<T> {
  readonly #read: (key: string) => Promise<T>;
  readonly #gathering = new Map<string, Promise<T>>();
  readonly #underWay = new Map<string, Promise<unknown>>();

  constructor(read: (key: string) => Promise<T>) {
    this.#read = read;
  }

  read(key: string): Promise<T> {
    let next = this.#gathering.get(key);
    if (!next) this.#gathering.set(key, (next = this.#readNext(key)));
    return next;
  }

  async #readNext(key: string): Promise<T> {
    const before = this.#underWay.get(key);
    if (before) await atMost(before, PATIENCE_MS);
    else await setImmediate();
    this.#gathering.delete(key);
    const reading = this.#read(key);
    this.#underWay.set(key, reading);
    try {
      return await reading;
    } finally {
      if (this.#underWay.get(key) === reading) this.#underWay.delete(key);
    }
  }
}

/** Resolves when something is over, however it ended, or the time is. */
async function atMost(something: Promise<unknown>, ms: number): Promise<void> {
  const end = new AbortController();
  const over = something.then(
    () => {},
    () => {},
  );
  await Promise.race([over, sleep(ms, undefined, { signal: end.signal, ref: false }).catch(() => {})]);
  end.abort();
}
