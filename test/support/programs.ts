import { execFile, spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { promisify } from "node:util";

export type Log = (line: string) => void;

/** Runs a program to its end; rejects with what it has written if it fails. */
export const run = promisify(execFile);

/** How long one run of apt-get may take. */
const APT_TIMEOUT_MS = 180_000;

/** How much of what a program has written is kept, to explain why it has failed. */
const OUTPUT_LENGTH = 4000;

/** The path of a program: in a folder of PATH, or else in one of `others`. */
export async function which(program: string, others: readonly string[] = []): Promise<string | undefined> {
  for (const folder of [...(process.env["PATH"] ?? "").split(delimiter), ...others]) {
    const file = join(folder, program);
    if (folder !== "" && (await isExecutable(file))) return file;
  }
  return undefined;
}

export function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

export function isReadable(file: string): Promise<boolean> {
  return access(file, constants.R_OK).then(
    () => true,
    () => false,
  );
}

/** Whether {@link aptInstall} can be tried: on Debian or Ubuntu, as root. */
export async function canAptInstall(): Promise<boolean> {
  return process.getuid?.() === 0 && (await isReadable("/etc/debian_version"));
}

/** Installs a package with apt-get, and leaves the service that is in it, if any, stopped. */
export async function aptInstall(log: Log, name: string, service?: string): Promise<void> {
  log(`apt-get installs ${name} ...`);
  const options = {
    timeout: APT_TIMEOUT_MS,
    // In runlevel 1 the package does not start its service.
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
  };
  const apt = ["-q", "-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=2", "-o", "Acquire::http::Timeout=20"];
  try {
    await run("apt-get", [...apt, "update"], options);
    await run("apt-get", [...apt, "install", "--yes", "--no-install-recommends", name], options);
  } catch (error) {
    throw explained(`apt-get could not install ${name}`, error);
  }
  // systemd starts it all the same.
  if (service !== undefined && (await isReadable("/run/systemd/system"))) await run("systemctl", ["stop", service]);
}

/** What `find` finds; where that is nothing, apt-get installs a package first, if it can. May take minutes. */
export async function findOrAptInstall<Found>(
  log: Log,
  find: () => Promise<Found | undefined>,
  ...[name, service]: [name: string, service?: string]
): Promise<Found | undefined> {
  const found = await find();
  if (found !== undefined || !(await canAptInstall())) return found;
  try {
    await aptInstall(log, name, service);
  } catch (error) {
    log((error as Error).message);
  }
  return find();
}

/** What a program says of its version; undefined where it does not run. */
export async function versionOf(binary: string, ...before: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout } = await run(binary, [...before, "--version"]);
    return stdout.trim();
  } catch {
    return undefined;
  }
}

/** `what`, and why: the last lines that the program has written, or that it was ended. */
export function explained(what: string, error: unknown): Error {
  const { killed, stderr = "", message } = error as Error & { killed?: boolean; stderr?: string };
  const why = killed ? "it took too long" : stderr.trim().split("\n").slice(-3).join("\n") || message;
  return new Error(`${what}: ${why}`, { cause: error });
}

export type Child = ChildProcessByStdio<null, Readable, Readable>;

/** How long a program may take to end when it is asked to. */
const STOP_TIMEOUT_MS = 10_000;

/**
 * Reads what to kill, each line all of it; when this process has closed its end, or is gone, kills that and removes the
 * folders. What was killed may still write for a moment.
 */
const KEEPER = `
  while read -r line; do groups=$line; done
  for group in $groups; do kill -9 "-$group"; done
  until rm -rf "$@" || [ "$((tries += 1))" -gt 50 ]; do sleep 0.1; done`;

/** A process that ends what runs in a folder, and removes that, also when this process is killed. */
export class Keeper {
  readonly folder: string;
  readonly #process: ChildProcessByStdio<Writable, null, null>;
  readonly #exited: Promise<unknown>;
  readonly #running = new Set<number>();

  /** @param others what to remove besides the folder, where it exists */
  constructor(folder: string, ...others: readonly string[]) {
    this.folder = folder;
    // Detached: Ctrl+C, which ends this process and its group, is not for the keeper.
    this.#process = spawn("sh", ["-c", KEEPER, "sh", folder, ...others], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
    });
    this.#exited = once(this.#process, "exit");
  }

  /** Starts a program, which is killed, with all that it has started, when this process is gone. */
  start(program: string, args: readonly string[], folder = this.folder): Child {
    if (this.#process.stdin.writableEnded) throw new Error(`${program} was stopped for good: its data is gone.`);
    const child = spawn(program, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"], detached: true });
    const { pid } = child;
    if (pid === undefined) return child;
    this.#running.add(pid);
    this.#tell();
    child.once("exit", () => {
      this.#running.delete(pid);
      this.#tell();
    });
    return child;
  }

  /** Removes the folders. Nothing may run there any more. */
  async close(): Promise<void> {
    this.#process.stdin.end();
    await this.#exited;
  }

  #tell(): void {
    if (!this.#process.stdin.writableEnded) this.#process.stdin.write(`${[...this.#running].join(" ")}\n`);
  }
}

export function isRunning(child: Child | undefined): child is Child & { pid: number } {
  return child?.pid !== undefined && child.exitCode === null && child.signalCode === null;
}

/**
 * Ends what a {@link Keeper} has started, with all that it has forked, also if it hangs, and resolves when it is gone; again:
 * does nothing.
 */
export async function end(child: Child | undefined, signal: "SIGTERM" | "SIGKILL"): Promise<void> {
  if (!isRunning(child)) return;
  const exited = once(child, "exit");
  signalGroup(child.pid, signal);
  signalGroup(child.pid, "SIGCONT");
  const timer = setTimeout(() => signalGroup(child.pid, "SIGKILL"), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
  // What it has not waited for.
  signalGroup(child.pid, "SIGKILL");
}

/** Signals what a {@link Keeper} has started, and all that it has forked, which would outlive it otherwise. */
function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It is gone already.
  }
}

/**
 * Resolves when what a {@link Keeper} has started has written `expected`, or, without that, has succeeded: what it has
 * written by then. Rejects, with its output, if it ends otherwise; kills it, with all that it has started, when the time is
 * over.
 */
export async function expectOutput(child: Child, name: string, timeoutMs: number, expected?: RegExp): Promise<string> {
  const timer = setTimeout(() => process.kill(-child.pid!, "SIGKILL"), timeoutMs);
  try {
    return await new Promise((resolve, reject) => {
      let output = "";
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding("utf8").on("data", (text: string) => {
          output = (output + text).slice(-OUTPUT_LENGTH);
          if (expected?.test(output)) resolve(output);
        });
      }
      child.once("error", reject);
      child.once("close", (code, signal) => {
        const how = signal ?? `exit code ${code}`;
        if (expected === undefined && code === 0) resolve(output);
        else reject(new Error(`${name} failed (${how}). Its output:\n${output || "(none)"}`));
      });
    });
  } finally {
    clearTimeout(timer);
  }
}

/** Below the ports that systems give to clients, so that nobody gets the port of a server that is down for a while. */
const PORTS = { from: 10_000, to: 32_000 };

/** A port that is probably free. */
export function randomPort(): number {
  return PORTS.from + Math.floor(Math.random() * (PORTS.to - PORTS.from));
}
