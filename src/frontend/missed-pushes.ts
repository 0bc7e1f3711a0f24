/**
 * Has sessions that go on where they were look for pushes that may not have come to this frontend, once that gets what is sent from then
 * on: what is missing is not told by any later push where there is none.
 */
export class MissedPushes {
  readonly #look: () => void;
  #mayBe = false;

  constructor(look: () => void) {
    this.#look = look;
  }

  /** Pushes may have been missed, or are missed for a while from now on. */
  note(): void {
    this.#mayBe = true;
  }

  /** Looks for them after what mends the frontend's place in the cluster; where that fails, after the next time. */
  async lookAfter(mending: () => Promise<void>): Promise<void> {
    const mayBe = this.#mayBe;
    // What is noted meanwhile may not be mended by this.
    this.#mayBe = false;
    try {
      await mending();
    } catch (error) {
      this.#mayBe ||= mayBe;
      throw error;
    }
    if (mayBe) this.#look();
  }
}
