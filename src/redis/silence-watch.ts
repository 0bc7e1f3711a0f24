import type { Redis } from "ioredis";

/** For how long Redis may answer nothing of what it was sent, and how often that is looked at, in milliseconds: in all below 1 s. */
const SILENT_MS = 600;
const CHECK_MS = 150;

/**
 * Breaks the connection of a Redis that leaves commands unanswered and says nothing else: what waits for it fails then, and what
 * comes after at once, until it is there again. A process that was busy or stopped itself reads first what has come meanwhile.
 */
export class SilenceWatch {
  readonly #client: Redis;
  readonly #timer: NodeJS.Timeout;
  #bytesRead = -1;
  #heardAt = 0;
  #checkedAt = performance.now();

  constructor(client: Redis) {
    this.#client = client;
    this.#timer = setInterval(() => this.check(), CHECK_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** Looks once. */
  check(): void {
    const { status, commandQueue, stream } = this.#client;
    const now = performance.now();
    const wasBusy = now - this.#checkedAt > 2 * CHECK_MS;
    this.#checkedAt = now;
    const waits = status === "ready" && commandQueue.length > 0;
    if (!waits || wasBusy || stream.bytesRead !== this.#bytesRead) {
      this.#bytesRead = waits ? stream.bytesRead : -1;
      this.#heardAt = now;
    } else if (now - this.#heardAt >= SILENT_MS) {
      stream.destroy(new Error(`no answer within ${SILENT_MS} ms`));
    }
  }
}
