import { once } from "node:events";
import { Worker } from "node:worker_threads";

export interface Beats {
  everyMs: number;
  /** How many. */
  count: number;
}

/**
 * Ticks on time: the timers of Node.js know whole milliseconds only, and fire late where there is much to do. A thread of its own
 * waits instead, and tells this one; how late this one learns of a tick is the caller's to measure.
 */
export class Metronome {
  readonly #stopped: Int32Array;
  readonly #thread: Worker;

  private constructor(thread: Worker, stopped: Int32Array) {
    this.#thread = thread;
    this.#stopped = stopped;
  }

  /** Does not keep the process alive. */
  static async start(): Promise<Metronome> {
    const stopped = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    const [tsx, file] = [import.meta.resolve("tsx/esm/api"), new URL("metronome-thread.ts", import.meta.url).href];
    // `--import=tsx` is not for threads: with it, they know no TypeScript.
    const thread = new Worker(
      `import(${JSON.stringify(tsx)}).then(({ tsImport }) => tsImport(${JSON.stringify(file)}, ${JSON.stringify(import.meta.url)}))
        .then(() => require("node:worker_threads").parentPort.postMessage("ready"))`,
      { eval: true, execArgv: [], workerData: stopped },
    );
    thread.unref();
    await once(thread, "message");
    return new Metronome(thread, stopped);
  }

  /**
   * Calls `onTick` for each tick, with the time at which it was due, in milliseconds of the monotonic clock; also for those
   * this thread learns of too late. Resolves after the last one, or once it has returned false. One call at a time.
   */
  beat(beats: Beats, onTick: (dueAt: number) => boolean): Promise<void> {
    Atomics.store(this.#stopped, 0, 0);
    return new Promise((resolve) => {
      // The thread tells of its end with undefined.
      const listen = (dueAt: number | undefined): void => {
        if (dueAt === undefined) {
          this.#thread.off("message", listen);
          resolve();
        } else if (Atomics.load(this.#stopped, 0) === 0 && !onTick(dueAt)) this.#stop();
      };
      this.#thread.on("message", listen);
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
      this.#thread.postMessage(beats);
    });
  }

  #stop(): void {
    Atomics.store(this.#stopped, 0, 1);
    Atomics.notify(this.#stopped, 0);
  }
}
