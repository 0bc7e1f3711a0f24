/** How often it is looked, in milliseconds: a lag may be told by as much too short. */
const INTERVAL_MS = 100;

/**
 * Measures by how much the work of this process is late: whatever comes in while its event loop is held up, by a computation, garbage
 * collection or a process that is stopped, waits as long. It costs a timer, and nothing of the store.
 */
export class LoopLag {
  readonly #told: (ms: number) => void;
  readonly #thresholdMs: number;
  #timer: NodeJS.Timeout | undefined;
  #lookedAt = 0;
  #longestMs = 0;

  /** @param told gets each lag of more than `thresholdMs`, in milliseconds, when it is over */
  constructor(thresholdMs: number, told: (ms: number) => void) {
    this.#thresholdMs = thresholdMs;
    this.#told = told;
  }

  start(): void {
    this.#lookedAt = performance.now();
    this.#timer ??= setInterval(() => this.#look(), INTERVAL_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** The longest lag since it was last asked for, in milliseconds. */
  takeLongest(): number {
    const longest = this.#longestMs;
    this.#longestMs = 0;
    return longest;
  }

  #look(): void {
    const now = performance.now();
    const ms = Math.max(0, now - this.#lookedAt - INTERVAL_MS);
    this.#lookedAt = now;
    this.#longestMs = Math.max(this.#longestMs, ms);
    if (ms > this.#thresholdMs) this.#told(ms);
  }
}
