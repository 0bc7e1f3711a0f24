/**
 * A map of what was set of late: what was set longer ago than `keepMs` is forgotten, within twice that, and where there is much,
 * earlier. By two maps that take turns: to take the oldest out of one costs the more the more was taken out before.
 */
export class RecentMap<K, V> {
  readonly #keepMs: number;
  readonly #maxSize: number;
  #recent = new Map<K, V>();
  #older = new Map<K, V>();
  #recentSince = performance.now();

  /** @param maxSize at least half as many of the last ones are kept */
  constructor(keepMs: number, maxSize: number) {
    this.#keepMs = keepMs;
    this.#maxSize = maxSize;
  }

  get isEmpty(): boolean {
    return this.#recent.size === 0 && this.#older.size === 0;
  }

  get(key: K): V | undefined {
    return this.#recent.get(key) ?? this.#older.get(key);
  }

  set(key: K, value: V): void {
    const now = performance.now();
    if (now - this.#recentSince > this.#keepMs || this.#recent.size >= this.#maxSize / 2) {
      this.#older = this.#recent;
      this.#recent = new Map();
      this.#recentSince = now;
    }
    this.#recent.set(key, value);
  }

  delete(key: K): void {
    this.#recent.delete(key);
    this.#older.delete(key);
  }
}
