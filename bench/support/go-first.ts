import { execFileSync } from "node:child_process";
import { constants, setPriority } from "node:os";

/**
 * Lets a server go first where cores are few: a command that waits for one in the middle of its work seems to be slow. Above
 * all others where the system knows that (Linux), else as far as it goes.
 */
export function goFirst(pid: number): void {
  try {
    execFileSync("chrt", ["--all-tasks", "--fifo", "--pid", "1", String(pid)], { stdio: "ignore" });
    return;
  } catch {
    // There is no such program, or only root may do that.
  }
  try {
    setPriority(pid, constants.priority.PRIORITY_HIGHEST);
  } catch {
    // Only root may do that too; how long Redis waits for a core is written down.
  }
}
