/** How many requests of each caller, and how many callers, are kept in mind. */
const MAX_IDS = 4096;
const MAX_CALLERS = 1024;

/**
 * Remembers the last requests of each caller: a client with `autoResendUnfulfilledCommands` (an injected one may have it)
 * sends a request a second time when its connection broke before Redis answered.
 */
export class RecentRequests {
  readonly #idsByCaller = new Map<string, Set<number>>();

  /** Whether this request is a new one; it is remembered. */
  isNew(from: string, id: number): boolean {
    let ids = this.#idsByCaller.get(from);
    if (!ids) {
      this.#idsByCaller.set(from, (ids = new Set()));
      dropOldest(this.#idsByCaller, MAX_CALLERS);
    }
    if (ids.has(id)) return false;
    ids.add(id);
    dropOldest(ids, MAX_IDS);
    return true;
  }
}

/** Maps and sets keep the order of insertion. */
function dropOldest<K>(collection: { size: number; keys(): Iterator<K>; delete(key: K): boolean }, max: number): void {
  if (collection.size <= max) return;
  const { value, done } = collection.keys().next();
  if (!done) collection.delete(value);
}
