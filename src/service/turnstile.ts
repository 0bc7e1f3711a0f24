/** Lets callers prepare at the same time, and act in the order in which they came. */
export class Turnstile {
  #last: Promise<void> = Promise.resolve();

  /** Resolves what `act` returns, which is called once `prepared` has resolved and everyone who came before has acted. */
  async pass<T, R>(prepared: Promise<T>, act: (value: T) => R): Promise<R> {
    const before = this.#last;
    let done!: () => void;
    this.#last = new Promise((resolve) => (done = resolve));
    try {
      const value = await prepared;
      await before;
      return act(value);
    } finally {
      // Also where `prepared` failed early: who comes next must not overtake those before.
      void before.then(done);
    }
  }
}
