/** How many steps a beat has: clients are not all written to at once. */
const STEPS = 8;

/** Beats once for each session in an interval: for those of one step after those of another. */
export class Heartbeat {
  #timer: NodeJS.Timeout | undefined;
  #step = 0;
  #given = 0;

  start(intervalMs: number, beat: (step: number) => void): void {
    this.#timer = setInterval(() => {
      this.#step = (this.#step + 1) % STEPS;
      beat(this.#step);
    }, intervalMs / STEPS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** The step of one more session: in turn, so that they stay spread however many have gone. */
  nextStep(): number {
    return this.#given++ % STEPS;
  }
}
