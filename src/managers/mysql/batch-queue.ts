import type { Bound } from "../../bound.js";
import { GlobalChannelError } from "../../errors.js";

interface BatchQueueOptions<J, R> {
  /** How much a job counts. */
  sizeOf(job: J): number;
  /** Whether it is a batch of its own. @default no job is */
  isAlone?(job: J): boolean;
  /** How much goes into one batch; a single job may be more. */
  maxBatch: number;
  /** How much may wait. */
  bound: Bound;
  /** How long a job may wait, in milliseconds. */
  timeoutMs: number;
  /** Does a batch; resolves the result of each job. */
  run(jobs: J[]): Promise<R[]>;
}

interface Waiting<J, R> {
  job: J;
  size: number;
  resolve: (result: R) => void;
  reject: (error: unknown) => void;
  timer: NodeJS.Timeout;
}

/**
 * Does jobs in batches, one batch after the other, in the order of the calls: while one is under way the next one gathers, so
 * that a busy database gets few and large transactions.
 */
export class BatchQueue<J, R> {
  readonly #options: BatchQueueOptions<J, R>;
  readonly #waiting = new Set<Waiting<J, R>>();
  #working: Promise<void> | undefined;

  constructor(options: BatchQueueOptions<J, R>) {
    this.#options = options;
  }

  /** @throws `GC_OVERLOADED`, `GC_STORE_UNAVAILABLE`: nothing was done; what the batch rejects with */
  push(job: J): Promise<R> {
    const { bound, timeoutMs } = this.#options;
    const size = this.#options.sizeOf(job);
    return new Promise((resolve, reject) => {
      bound.check(size);
      const timer = setTimeout(() => {
        this.#take(waiting);
        const message = `the database was busy for ${timeoutMs} ms; nothing was done`;
        reject(new GlobalChannelError("GC_STORE_UNAVAILABLE", message));
      }, timeoutMs);
      const waiting: Waiting<J, R> = { job, size, resolve, reject, timer };
      this.#waiting.add(waiting);
      bound.add(size);
      this.#working ??= this.#work();
    });
  }

  /** Resolves when what was called for before is done or has failed, `timeoutMs` at most; `nothing` is a job without work. */
  async settled(nothing: J): Promise<void> {
    await this.push(nothing).catch(() => {});
  }

  /** Resolves when nothing waits or is under way. */
  async idle(): Promise<void> {
    await this.#working;
  }

  /** Refuses what waits. */
  refuse(error: GlobalChannelError): void {
    for (const waiting of this.#waiting) {
      this.#take(waiting);
      waiting.reject(error);
    }
  }

  async #work(): Promise<void> {
    // What is called for in the same tick goes into the first batch.
    await new Promise((resolve) => {
      process.nextTick(resolve);
    });
    while (this.#waiting.size > 0) await this.#runBatch(this.#nextBatch());
    // In the same turn as the last look: who comes now begins anew.
    this.#working = undefined;
  }

  #nextBatch(): Waiting<J, R>[] {
    const batch: Waiting<J, R>[] = [];
    let room = this.#options.maxBatch;
    for (const waiting of this.#waiting) {
      const isAlone = this.#options.isAlone?.(waiting.job) ?? false;
      if (batch.length > 0 && (isAlone || waiting.size > room)) break;
      batch.push(waiting);
      this.#take(waiting);
      if (isAlone) break;
      room -= waiting.size;
    }
    return batch;
  }

  async #runBatch(batch: readonly Waiting<J, R>[]): Promise<void> {
    try {
      const results = await this.#options.run(batch.map(({ job }) => job));
      for (const [index, { resolve }] of batch.entries()) resolve(results[index] as R);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  #take(waiting: Waiting<J, R>): void {
    clearTimeout(waiting.timer);
    this.#waiting.delete(waiting);
    this.#options.bound.remove(waiting.size);
  }
}
