/** Lets callers prepare at the same time, and act in the order in which they came, for each key apart. */
export class Turnstile<K = string> {
  /** The last one of each key who has not acted yet. */
  readonly #last = new Map<K, Promise<unknown>>();

  /** Whether nobody would have to be waited for. */
  isFree(keys: readonly K[]): boolean {
    return this.#last.size === 0 || !keys.some((key) => this.#last.has(key));
  }

  /**
   * Resolves what `act` returns, which is called once `prepared` has resolved and everyone who came before with one of these
   * keys has acted or failed.
   */
  async pass<T, R>(keys: readonly K[], prepared: Promise<T>, act: (value: T) => R): Promise<R> {
    const waiting = keys.flatMap((key) => this.#last.get(key) ?? []);
    const before = waiting.length > 1 ? Promise.all(waiting) : waiting[0];
    let acted!: () => void;
    const turn = new Promise<void>((resolve) => (acted = resolve));
    for (const key of keys) this.#last.set(key, turn);
    const leave = (): void => {
      acted();
      for (const key of keys) if (this.#last.get(key) === turn) this.#last.delete(key);
    };
    try {
      const value = await prepared;
      if (before) await before;
      return act(value);
    } finally {
      // Also where `prepared` failed early: who comes next must not overtake those before.
      if (before) void before.then(leave);
      else leave();
    }
  }
}
