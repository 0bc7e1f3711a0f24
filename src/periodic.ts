/** Does something again and again, never twice at the same time, and keeps no process alive for it. */
export class Periodic {
  readonly #work: () => Promise<number | void>;
  readonly #intervalMs: number;
  readonly #report: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #sooner: NodeJS.Timeout | undefined;
  #working: Promise<void> | undefined;

  /**
   * @param work may resolve after how many milliseconds it is to be done again, where that is sooner
   * @param report gets what it rejects with
   */
  constructor(work: () => Promise<number | void>, intervalMs: number, report: (error: unknown) => void) {
    this.#work = work;
    this.#intervalMs = intervalMs;
    this.#report = report;
  }

  start(): void {
    this.#timer = setInterval(() => this.#do(), this.#intervalMs);
    this.#timer.unref();
  }

  /** Resolves when what is under way has ended. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#timer = undefined;
    await this.#working;
    clearTimeout(this.#sooner);
  }

  #do(): void {
    clearTimeout(this.#sooner);
    this.#working ??= this.#work()
      .then((ms) => {
        if (ms !== undefined && this.#timer) this.#sooner = setTimeout(() => this.#do(), ms).unref();
      })
      .catch(this.#report)
      .finally(() => (this.#working = undefined));
  }
}
