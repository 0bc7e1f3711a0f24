import { mkdir } from "node:fs/promises";
import { join } from "node:path";

import { Redis } from "ioredis";

import { end, expectOutput, isRunning, randomPort, type Child, type Keeper } from "./programs.js";

const HOST = "127.0.0.1";

const START_ATTEMPTS = 5;
const START_TIMEOUT_MS = 30_000;

/** How long a node may take to answer a command. */
const ANSWER_TIMEOUT_MS = 15_000;

/** Without it, a primary waits 5 s for further replicas before it sends the first one its data. */
const SYNC_AT_ONCE = ["--repl-diskless-sync-delay", "0"];

/** What a server does that keeps its data in memory only. */
export const SERVER_OPTIONS = ["--save", "", "--appendonly", "no", ...SYNC_AT_ONCE];

export interface NodeOptions {
  keeper: Keeper;
  /** The server program. */
  binary: string;
  /** The name of its folder within the keeper's. */
  name: string;
  /** The arguments for a port that is probably free; called for each port that is tried. */
  argsFor: (port: number, folder: string) => readonly string[] | Promise<readonly string[]>;
  /** What it writes when it is ready. @default what a server writes that is no Sentinel */
  ready?: RegExp;
  /** What to do each time that it has started. @default nothing */
  setUp?: (node: RedisNode) => Promise<unknown>;
}

/** Starts a Redis program, one of several that make up a whole, on a free port of 127.0.0.1. */
export async function startNode({ keeper, binary, name, argsFor, ready, setUp }: NodeOptions): Promise<RedisNode> {
  const folder = join(keeper.folder, name);
  await mkdir(folder);
  for (let attempt = 1; ; attempt++) {
    const port = randomPort();
    const args = await argsFor(port, folder);
    const launch = () => keeper.start(binary, args, folder);
    const node = new RedisNode({ port, launch, name: [binary, ...args].join(" "), ready, setUp });
    try {
      await node.start();
      return node;
    } catch (error) {
      // Another process may have taken a port first.
      if (!/already in use/i.test(String(error)) || attempt === START_ATTEMPTS) throw error;
    }
  }
}

interface Program {
  port: number;
  launch: () => Child;
  /** For people: how it is started. */
  name: string;
  ready: RegExp | undefined;
  setUp: NodeOptions["setUp"];
}

/** One process of a Redis Cluster, or of what a Redis Sentinel watches over, or a Sentinel. */
export class RedisNode {
  readonly host = HOST;
  readonly port: number;
  readonly #program: Program;
  #child: Child | undefined;
  #client: Redis | undefined;
  #paused = false;

  constructor(program: Program) {
    this.port = program.port;
    this.#program = program;
  }

  /** The process id, or undefined while it does not run. */
  get pid(): number | undefined {
    return isRunning(this.#child) ? this.#child.pid : undefined;
  }

  /** Whether it runs, and is not paused. */
  get isLive(): boolean {
    return this.pid !== undefined && !this.#paused;
  }

  /** Starts it again, at the same port and in the same folder, without its data; if it runs: does nothing. */
  async start(): Promise<void> {
    if (this.pid !== undefined) return;
    this.#paused = false;
    const { launch, name, ready = /Ready to accept connections/, setUp } = this.#program;
    this.#child = launch();
    await expectOutput(this.#child, name, START_TIMEOUT_MS, ready);
    await setUp?.(this);
  }

  /** Shuts it down. */
  stop(): Promise<void> {
    return this.#end("SIGTERM");
  }

  /** Kills it (`SIGKILL`) and resolves when it is gone. */
  kill(): Promise<void> {
    return this.#end("SIGKILL");
  }

  /** Makes it hang (`SIGSTOP`): its connections stay, and it answers nobody. */
  pause(): void {
    this.#paused = this.#signal("SIGSTOP");
  }

  resume(): void {
    this.#signal("SIGCONT");
    this.#paused = false;
  }

  /** Sends a command to this node, whatever that is at present. */
  async call(command: string, ...args: readonly (string | number)[]): Promise<unknown> {
    if (this.#client === undefined || this.#client.status === "end") {
      this.#client = new Redis({
        host: HOST,
        port: this.port,
        protocol: 2,
        lazyConnect: true,
        retryStrategy: null,
        enableReadyCheck: false,
        disableClientInfo: true,
        connectTimeout: ANSWER_TIMEOUT_MS,
        commandTimeout: ANSWER_TIMEOUT_MS,
      }).on("error", () => {});
    }
    return this.#client.call(command, ...args);
  }

  /** The fields of `INFO`, or of `CLUSTER INFO`. */
  async info(...command: readonly [string, ...string[]]): Promise<Map<string, string>> {
    const [name, ...args] = command;
    const lines = String(await this.call(name, ...args)).matchAll(/^(\w+):(.*?)\r?$/gm);
    return new Map(Array.from(lines, ([, field, value]) => [field!, value!]));
  }

  async #end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    await end(this.#child, signal);
    this.#client?.disconnect();
    this.#client = undefined;
    this.#paused = false;
  }

  #signal(signal: NodeJS.Signals): boolean {
    return this.pid !== undefined && process.kill(this.pid, signal);
  }
}
