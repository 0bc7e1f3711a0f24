/** Does what is to be done with one key one after the other. */
export class Turns<K> {
  readonly #last = new Map<K, Promise<unknown>>();

  /** Does something once all that was called for before, of this key, is done or has failed. */
  take<T>(key: K, act: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const turn = before ? before.then(act) : act();
    const ended = turn
      .catch(() => {})
      .then(() => {
        if (this.#last.get(key) === ended) this.#last.delete(key);
      });
    this.#last.set(key, ended);
    return turn;
  }
}
