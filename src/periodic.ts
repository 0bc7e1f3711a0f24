/** Does something again and again, never twice at the same time, and keeps no process alive for it. */
export class Periodic {
  readonly #work: () => Promise<void>;
  readonly #intervalMs: number;
  readonly #report: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> | undefined;

  /** @param report gets what the work rejects with */
  constructor(work: () => Promise<void>, intervalMs: number, report: (error: unknown) => void) {
    this.#work = work;
    this.#intervalMs = intervalMs;
    this.#report = report;
  }

  start(): void {
    this.#timer = setInterval(() => {
      this.#working ??= this.#work()
        .catch(this.#report)
        .finally(() => (this.#working = undefined));
    }, this.#intervalMs);
    this.#timer.unref();
  }

  /** Resolves when what is under way has ended. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#working;
  }
}
