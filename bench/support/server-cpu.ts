import { readFile } from "node:fs/promises";

/** Linux tells processes of times in hundredths of a second, whatever its kernel counts in (proc(5)). */
const MS_PER_TICK = 10;

/** The CPU time of a process since it began, all its threads', in milliseconds; undefined where there is no `/proc`. */
export async function cpuMsOf(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The name, in brackets, may contain anything. The state, field 3, is the first one after it.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields && (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}

/** How long the main thread of a process was ready to run and had no core, in milliseconds; undefined where that is not told. */
export async function waitedMs(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/schedstat`, "utf8").catch(() => undefined);
  // The time on a core, the time without, both in nanoseconds, and the number of turns.
  return stat === undefined ? undefined : Number(stat.split(" ")[1]) / 1e6;
}
