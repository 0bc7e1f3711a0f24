/** Lets callers prepare at the same time, and act in the order in which they came, for each key apart. */
export class Turnstile {
  /** The last one of each key who has not acted yet. */
  readonly #last = new Map<string, Promise<unknown>>();

  /**
   * Resolves what `act` returns, which is called once `prepared` has resolved and everyone who came before with one of these
   * keys has acted or failed.
   */
  async pass<T, R>(keys: readonly string[], prepared: Promise<T>, act: (value: T) => R): Promise<R> {
    const before = Promise.all(keys.map((key) => this.#last.get(key)));
    let leave!: () => void;
    const acted = new Promise<void>((resolve) => (leave = resolve));
    for (const key of keys) this.#last.set(key, acted);
    try {
      const value = await prepared;
      await before;
      return act(value);
    } finally {
      // Also where `prepared` failed early: who comes next must not overtake those before.
      void before.then(() => {
        leave();
        for (const key of keys) if (this.#last.get(key) === acted) this.#last.delete(key);
      });
    }
  }
}
