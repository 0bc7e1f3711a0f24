import { format, formatSpread, type Measured } from "../support/statistics.js";
import { markdownTable } from "../support/table.js";
import { OPERATIONS } from "./operations.js";
import { type CellResult, sideBySide } from "./rounds.js";

/** Operations that are many in a second. */
export function rateTable(title: string, results: readonly CellResult[]): string {
  return markdownTable(
    title,
    ["operation", "outstanding", "contender", "calls/s", "p50 ms", "p99 ms", "CPU µs/call: its process", "its store"],
    sideBySide(results).map((result) => [
      result.operation,
      String(result.outstanding),
      result.contender,
      formatSpread(result.perSecond),
      formatSpread(result.p50Ms),
      formatSpread(result.p99Ms),
      microseconds(result.cpuMsPerCall),
      microseconds(result.storeCpuMsPerCall),
    ]),
  );
}

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

export function microseconds(ms: Measured | undefined): string {
  return ms ? format(ms.median * 1000) : "-";
}
