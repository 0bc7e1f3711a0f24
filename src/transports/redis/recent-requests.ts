/** How many requests of each caller, and how many callers, are kept in mind. */
const MAX_IDS = 4096;
const MAX_CALLERS = 1024;

/**
 * Remembers the last requests of each caller: a client with `autoResendUnfulfilledCommands` (an injected one may have it)
 * sends a request a second time when its connection broke before Redis answered.
 */
export class RecentRequests {
  /** Of each caller the ids, each at its place modulo {@link MAX_IDS}, where a later one replaces it. */
  readonly #idsByCaller = new Map<string, Float64Array>();

  /** Whether this request is a new one; it is remembered. */
  isNew(from: string, id: number): boolean {
    let ids = this.#idsByCaller.get(from);
    if (!ids) {
      this.#idsByCaller.set(from, (ids = new Float64Array(MAX_IDS)));
      if (this.#idsByCaller.size > MAX_CALLERS) this.#forgetOldest();
    }
    const place = Math.abs(id) % MAX_IDS;
    if (ids[place] === id) return false;
    ids[place] = id;
    return true;
  }

  #forgetOldest(): void {
    // Maps keep the order of insertion.
    for (const from of this.#idsByCaller.keys()) {
      this.#idsByCaller.delete(from);
      return;
    }
  }
}
