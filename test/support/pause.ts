import { spawn } from "node:child_process";
import { once } from "node:events";

const SCRIPT = `kill -STOP "$1" && sleep "$2"; kill -CONT "$1"`;

/**
 * Stops a process (`SIGSTOP`) for a time; resolves when it goes on. A program of its own sees to that, so that nothing stays
 * stopped, which could not even notice that its parent is gone, where this process dies meanwhile.
 */
export async function pause(pid: number, ms: number): Promise<void> {
  const child = spawn("sh", ["-c", SCRIPT, "sh", String(pid), String(ms / 1000)], { stdio: "ignore", detached: true });
  await once(child, "exit");
}
