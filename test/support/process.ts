import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** The functions that a child process offers to its parent; arguments and results are copied (structured clone). */
// oxlint-disable-next-line typescript/no-explicit-any -- any function fits
export type Api = Record<string, (...args: any[]) => unknown>;

type Answer = { id: number } & (
  | { value: unknown }
  | { error: { message: string; stack: string | undefined; code: unknown } }
);

const READY_TIMEOUT_MS = 30_000;

export interface ProcessOptions {
  args?: readonly string[];
  env?: NodeJS.ProcessEnv;
  /** Modules that it imports first. @default none */
  imports?: readonly URL[];
  /** Whether the child writes to the parent's output, instead of to {@link NodeProcess.output}. @default false */
  inheritOutput?: boolean;
}

/**
 * Runs a TypeScript file as a Node.js process of its own and resolves when it has called {@link serveParent}. The child
 * dies with its parent, even if that is killed.
 */
export async function startProcess<A extends Api>(file: URL, options: ProcessOptions = {}): Promise<NodeProcess<A>> {
  const child = new NodeProcess<A>(file, options);
  await child.ready;
  return child;
}

/** A child process that offers the functions `A`; in tests: `t.teardown(() => child.kill())`. */
export class NodeProcess<A extends Api> {
  /** Resolves when the child has called {@link serveParent}; rejects, with its output, if it ends before or hangs. */
  readonly ready: Promise<void>;
  /** Resolves when the child is gone. */
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #calls = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #lastId = 0;
  #output = "";

  constructor(file: URL, { args = [], env = {}, imports = [], inheritOutput = false }: ProcessOptions) {
    this.#name = [fileURLToPath(file), ...args].join(" ");
    this.#child = fork(file, args, {
      execArgv: [import.meta.resolve("tsx"), ...imports.map(String)].map((module) => `--import=${module}`),
      env: { ...process.env, ...env },
      serialization: "advanced",
      stdio: ["ignore", ...(inheritOutput ? (["inherit", "inherit"] as const) : (["pipe", "pipe"] as const)), "ipc"],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => (this.#output += text));
    }
    this.#child.on("message", (answer: Answer) => this.#settle(answer));
    // "close" comes when the output is complete.
    this.exited = once(this.#child, "close").then(() => this.#fail());
    this.ready = this.#expectAnswer(0).then(() => {});
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), READY_TIMEOUT_MS);
    this.ready.finally(() => clearTimeout(timer)).catch(() => {});
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** What it has written so far. */
  get output(): string {
    return this.#output;
  }

  /** Calls a function of the child. Rejects with what it threw, or, with the child's output, if the child is gone. */
  async call<K extends keyof A & string>(name: K, ...args: Parameters<A[K]>): Promise<Awaited<ReturnType<A[K]>>> {
    if (!this.#child.connected) {
      await this.exited;
      throw this.#gone();
    }
    const id = ++this.#lastId;
    // An error here means that the child is about to be gone, which rejects the answer.
    this.#child.send({ id, name, args }, () => {});
    return (await this.#expectAnswer(id)) as Awaited<ReturnType<A[K]>>;
  }

  /** Sends e.g. `SIGSTOP`, `SIGCONT`, `SIGTERM`. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Kills it (`SIGKILL`) and resolves when it is gone; again: does nothing. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.exited;
  }

  #expectAnswer(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
    });
  }

  #settle(answer: Answer): void {
    if ("error" in answer) {
      this.#reject(answer.id, Object.assign(new Error(answer.error.message), answer.error));
    } else {
      this.#calls.get(answer.id)?.resolve(answer.value);
      this.#calls.delete(answer.id);
    }
  }

  #reject(id: number, error: Error): void {
    this.#calls.get(id)?.reject(error);
    this.#calls.delete(id);
  }

  #fail(): void {
    for (const id of [...this.#calls.keys()]) this.#reject(id, this.#gone());
  }

  #gone(): Error {
    const how = this.#child.signalCode ?? `exit code ${this.#child.exitCode}`;
    return new Error(`${this.#name} is gone (${how}). Its output:\n${this.#output || "(none)"}`);
  }
}

/** In a child process: offers functions to the parent, tells it that all is ready, and makes this process die with it. */
export function serveParent(api: Api): void {
  const send = (answer: Answer) => process.send?.(answer);
  const answer = async ({ id, name, args }: { id: number; name: string; args: unknown[] }) => {
    try {
      send({ id, value: await api[name]!(...args) });
    } catch (error) {
      const { message, stack, code } = error as Error & { code?: unknown };
      send({ id, error: { message, stack, code } });
    }
  };
  process.on("message", (call: Parameters<typeof answer>[0]) => void answer(call));
  process.once("disconnect", () => process.exit(1));
  send({ id: 0, value: undefined });
}
