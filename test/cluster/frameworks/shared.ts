import type { Teardown } from "./teardown.js";

/** What several tests of a file use, one after the other: made when the first one asks for it, until {@link Shared.end}. */
export class Shared<T> {
  readonly #make: (t: Teardown) => Promise<T>;
  readonly #ends: (() => unknown)[] = [];
  #made: Promise<T> | undefined;

  constructor(make: (t: Teardown) => Promise<T>) {
    this.#make = make;
  }

  get(): Promise<T> {
    this.#made ??= this.#make({ teardown: (end) => this.#ends.push(end) });
    return this.#made;
  }

  /** Ends it if it was made; again: does nothing. */
  async end(): Promise<void> {
    await this.#made?.catch(() => {});
    for (let end = this.#ends.pop(); end; end = this.#ends.pop()) await end();
  }
}
