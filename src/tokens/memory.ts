import { LRUCache } from "lru-cache";
import type { TokenStore } from "../types.js";

/** How many records are kept, and how many characters they have together: beyond that the oldest are given up. */
const MAX_RECORDS = 100_000;
const MAX_CHARACTERS = 64 * 1024 * 1024;

/** Keeps up to 100,000 records, of up to 64 Mi characters together, in this process. See {@link TokenStore}. */
export class MemoryTokenStore implements TokenStore {
  readonly #records = new LRUCache<string, string>({
    max: MAX_RECORDS,
    maxSize: MAX_CHARACTERS,
    sizeCalculation: (record, id) => record.length + id.length,
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
