import { LRUCache } from "lru-cache";
import type { TokenStore } from "../types.js";

/** How many characters all records have together, each with some more for what it is kept in: beyond that the oldest are given up. */
const MAX_CHARACTERS = 64 * 1024 * 1024;
const OVERHEAD = 600;

/** Keeps up to 64 Mi characters, 600 of them for each record itself, in this process. See {@link TokenStore}. */
export class MemoryTokenStore implements TokenStore {
  readonly #records = new LRUCache<string, string>({
    // No `max`: room for that many would be taken at once.
    maxSize: MAX_CHARACTERS,
    sizeCalculation: (record, id) => record.length + id.length + OVERHEAD,
    perf: performance,
    // No time is remembered: a record's end is exact.
    ttlResolution: 0,
    ttlAutopurge: true,
  });

  put(id: string, record: string, ttlMs: number): void {
    this.#records.set(id, record, { ttl: ttlMs });
  }

  take(id: string): string | undefined {
    const record = this.#records.get(id);
    this.#records.delete(id);
    return record;
  }
}
