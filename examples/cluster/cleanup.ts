/** What has to be undone at the end, whichever end it is. */
export class Cleanup {
  readonly #steps: (() => unknown)[] = [];

  add(step: () => unknown): void {
    this.#steps.push(step);
  }

  /** Runs every step, the last one first; also where one fails, and also those that are added meanwhile. */
  async run(): Promise<void> {
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        console.error((error as Error).message);
      }
    }
  }
}
