import type { Awaitable } from "./awaitable.js";

/** Keeps each record for a while, until somebody takes it. Who has an id is not asked who they are: ids must not be guessable. */
export interface TokenStore {
  start?(): Awaitable<void>;
  stop?(force?: boolean): Awaitable<void>;
  /**
   * Keeps `record` under `id` for `ttlMs` (whole milliseconds, 1 or more) on the store's own clock. 1 round trip.
   * @throws `GC_STORE_UNAVAILABLE` whether it is kept is not known then, `GC_STORE_ERROR`
   */
  put(id: string, record: string, ttlMs: number): Awaitable<void>;
  /**
   * Resolves the record, and removes it, in one atomic step: of any number of calls at the same time, in whatever processes, exactly one
   * gets it. Undefined: it was never there, is taken, or its time is over. 1 round trip.
   * @throws `GC_STORE_UNAVAILABLE` where the call was on its way whether it is taken is not known then, `GC_STORE_ERROR`
   */
  take(id: string): Awaitable<string | undefined>;
}
