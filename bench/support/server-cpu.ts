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
