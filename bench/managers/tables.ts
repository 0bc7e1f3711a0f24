import { sideBySide } from "../support/rounds.js";
import { format, formatSpread } from "../support/statistics.js";
import { markdownTable } from "../support/table.js";
import { OPERATIONS } from "./operations.js";
import type { CellResult } from "./rounds.js";

/** Operations that each take a while, and are about many members. */
export function durationTable(title: string, results: readonly CellResult[]): string {
  return markdownTable(
    title,
    ["operation", "contender", "ms/call (p50)", "members/s", "CPU ms/call: its process", "its store"],
    sideBySide(results).map((result) => [
      result.operation,
      result.contender,
      formatSpread(result.p50Ms),
      format(result.perSecond.median * OPERATIONS[result.operation].members),
      format(result.cpuMsPerCall.median),
      result.storeCpuMsPerCall ? format(result.storeCpuMsPerCall.median) : "-",
    ]),
  );
}
