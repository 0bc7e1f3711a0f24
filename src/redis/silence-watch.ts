import type { Redis } from "ioredis";

/** How often it is looked whether Redis answers, in milliseconds, and how often in a row it may have said nothing: in all below 1 s. */
const CHECK_MS = 50;
const MAX_SILENT_CHECKS = 16;

/**
 * Breaks the connection of a Redis that leaves commands unanswered and says nothing else: what waits for it fails then, and what
 * comes after at once, until it is there again. Looks are counted, not time: a process that was busy or stopped itself reads first
 * what has come meanwhile, and one that gets little of its machine is as patient as its Redis needs, which gets little, too.
 */
export class SilenceWatch {
  readonly #client: Redis;
  readonly #timer: NodeJS.Timeout;
  #bytesRead = -1;
  #silentChecks = 0;

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
    const waits = status === "ready" && commandQueue.length > 0;
    if (!waits || stream.bytesRead !== this.#bytesRead) {
      this.#bytesRead = waits ? stream.bytesRead : -1;
      this.#silentChecks = 0;
    } else if (++this.#silentChecks >= MAX_SILENT_CHECKS) {
      stream.destroy(new Error(`no answer within ${CHECK_MS * MAX_SILENT_CHECKS} ms`));
    }
  }
}
