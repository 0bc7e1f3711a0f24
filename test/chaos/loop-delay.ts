import { monotonicMs } from "../support/monotonic.js";

const BEAT_MS = 5;
/** A beat that is later than this counts: shorter delays are those of timers. */
const NOTICED_MS = 15;
/** For how long a delay is kept in mind. */
const MEMORY_MS = 30_000;

/** Measures when this process did nothing: it was stopped, had no processor, or was busy with one thing. */
export class LoopDelay {
  readonly #blocks: { from: number; to: number }[] = [];
  readonly #timer: NodeJS.Timeout;
  #last = monotonicMs();

  /** @param noticed is told of each delay */
  constructor(noticed: (from: number, to: number) => void = () => {}) {
    this.#timer = setInterval(() => this.#beat(noticed), BEAT_MS);
  }

  /** For how many milliseconds between two times it did nothing; `to` is not before the last beat. */
  between(from: number, to: number): number {
    const all = [...this.#blocks, { from: this.#last, to }];
    return all.reduce((sum, block) => sum + Math.max(0, Math.min(block.to, to) - Math.max(block.from, from)), 0);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #beat(noticed: (from: number, to: number) => void): void {
    const now = monotonicMs();
    if (now - this.#last > NOTICED_MS) {
      this.#blocks.push({ from: this.#last, to: now });
      noticed(this.#last, now);
      while (this.#blocks[0]!.to < now - MEMORY_MS) this.#blocks.shift();
    }
    this.#last = now;
  }
}
