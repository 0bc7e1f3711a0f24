import { setTimeout as sleep } from "node:timers/promises";

import { monotonicMs } from "../support/monotonic.js";
import { pause } from "../support/pause.js";
import { startProcess, type Api, type NodeProcess } from "../support/process.js";
import { TcpProxy } from "../support/tcp-proxy.js";
import type { Life } from "./history.js";

/** How long a process waits until it tries to start again. */
const RETRY_MS = 200;
/** For how long a process goes on that has been replaced. */
const OUTLIVES_MS = 1500;

interface HostOptions<A extends Api, S> {
  role: Life["role"];
  file: URL;
  redisPort: number;
  /** Lets a process join the cluster; tried again until that succeeds. */
  join: (process: NodeProcess<A>) => Promise<S>;
  /** Modules that its processes import first. */
  imports: readonly URL[];
  /** Is told of each new life. */
  born: (life: Life) => void;
  /** How far the clock of the next process is off, in milliseconds. */
  nextClockMs: () => number;
}

/** A place for one process of the cluster at a time, with a way to Redis of its own. */
export class Host<A extends Api, S> {
  readonly proxy: TcpProxy;
  readonly #options: HostOptions<A, S>;
  #lives = 0;
  #process: NodeProcess<A> | undefined;
  #life: Life | undefined;
  /** One that is being replaced. */
  #former: NodeProcess<A> | undefined;
  /** What joining has resolved. */
  #joined: { value: S } | undefined;

  static async open<A extends Api, S>(options: HostOptions<A, S>): Promise<Host<A, S>> {
    return new Host(options, await TcpProxy.start(options.redisPort));
  }

  private constructor(options: HostOptions<A, S>, proxy: TcpProxy) {
    this.#options = options;
    this.proxy = proxy;
  }

  /** The process that has joined and is not about to end, with what joining has resolved. */
  get live(): { process: NodeProcess<A>; life: Life; joined: S } | undefined {
    const [process, life, joined] = [this.#process, this.#life, this.#joined];
    if (!process || !life || !joined || life.endAt !== undefined) return undefined;
    return { process, life, joined: joined.value };
  }

  /** Starts a process, and tries until it has joined the cluster or is ended. */
  async start(name: string, config: object, sid?: string): Promise<void> {
    const { role, file, join, imports, born, nextClockMs } = this.#options;
    const clockMs = nextClockMs();
    const life: Life = { id: `${name}#${++this.#lives}`, role, sid, startAt: monotonicMs(), clockMs };
    this.#joined = undefined;
    this.#life = life;
    born(life);
    const url = `redis://127.0.0.1:${this.proxy.port}`;
    const process = await startProcess<A>(file, {
      args: [JSON.stringify({ ...config, url, ...(sid !== undefined && { sid }) })],
      imports: [new URL("shift-clock.ts", import.meta.url), ...imports],
      env: { CHAOS_CLOCK_MS: String(clockMs) },
    });
    this.#process = process;
    void process.exited.then(() => {
      life.goneAt = monotonicMs();
      life.endAt ??= life.goneAt;
      life.end ??= "by itself";
      if (life.end === "by itself") life.output = process.output.slice(-2000);
    });
    // Redis may be out of reach, or a lease not over.
    while (life.endAt === undefined && !this.#joined) {
      this.#joined = await join(process).then(
        (value) => ({ value }),
        () => undefined,
      );
      if (this.#joined) life.joinedAt = monotonicMs();
      else await sleep(RETRY_MS);
    }
  }

  /** Kills the process (`SIGKILL`). */
  async kill(): Promise<void> {
    await this.#end("killed", async () => {});
  }

  /** Lets the process stop cleanly, as long as that takes, and ends it. */
  async stop(stopping: (process: NodeProcess<A>) => Promise<unknown>): Promise<void> {
    await this.#end("stopped", stopping);
  }

  /** Stops the process (`SIGSTOP`) for a time. */
  async pause(ms: number): Promise<void> {
    if (this.#process) await pause(this.#process.pid, ms);
  }

  /**
   * Stops the process (`SIGSTOP`) for a time, in which another one may take its place. Then it goes on for a while, as one that
   * does not know, and is killed.
   */
  async replace(ms: number, startAnother: () => Promise<void>): Promise<void> {
    const [process, life] = [this.#process, this.#life];
    if (!process || !life || life.endAt !== undefined) return;
    life.endAt = monotonicMs();
    this.#former = process;
    const outlive = async (): Promise<void> => {
      await pause(process.pid, ms);
      await sleep(OUTLIVES_MS);
      life.end ??= "replaced";
      await process.kill();
      life.goneAt = monotonicMs();
    };
    await Promise.all([outlive(), startAnother()]);
  }

  /** Ends everything. */
  async close(): Promise<void> {
    await this.#former?.kill();
    await this.kill();
    await this.proxy.stop();
  }

  async #end(end: NonNullable<Life["end"]>, before: (process: NodeProcess<A>) => Promise<unknown>): Promise<void> {
    const [process, life] = [this.#process, this.#life];
    if (!process || !life || life.endAt !== undefined) return;
    life.endAt = monotonicMs();
    life.end = end;
    await before(process);
    await process.kill();
    life.goneAt = monotonicMs();
  }
}
