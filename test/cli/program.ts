// Runs the program as people do.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";

export const ROOT = fileURLToPath(new URL("../..", import.meta.url));
export const MAIN = ["--import=tsx", "src/cli/main.ts"];

interface StartOptions {
  /** @default Node.js */
  program?: string;
  env?: NodeJS.ProcessEnv;
}

/** Runs the program, without a terminal unless `program` gives it one. */
export function start(t: ExecutionContext, args: readonly string[], options: StartOptions = {}): Running {
  const { program = process.execPath, env = {} } = options;
  // On a build server ora would take no terminal for one.
  const { REDIS_URL: _url, CI: _ci, ...inherited } = process.env;
  const child = spawn(program, args, { cwd: ROOT, env: { ...inherited, TERM: "xterm", ...env }, stdio: "pipe" });
  t.teardown(() => child.kill("SIGKILL"));
  return new Running(child);
}

/** The program, and what it has written. */
export class Running {
  readonly child: ChildProcess;
  readonly exitCode: Promise<number | null>;
  stdout = "";
  stderr = "";

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.exitCode = once(child, "close").then(([code]) => code as number | null);
  }
}
