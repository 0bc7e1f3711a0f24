import { microseconds } from "../support/rate-table.js";
import { sideBySide } from "../support/rounds.js";
import { format, formatSpread } from "../support/statistics.js";
import { markdownTable } from "../support/table.js";
import type { OperationResult } from "./result.js";

/** Fewer calls of a command are not worth a word. */
const FEW_CALLS = 0.01;

export function tablesOf(title: string, results: readonly OperationResult[]): string[] {
  const rows = sideBySide(results);
  const isOfPushes = rows.every(({ doneP50Ms }) => doneP50Ms);
  const head = ["operation", "outstanding", "Redis"];
  const beginOf = ({ operation, outstanding, contender }: OperationResult): string[] => [
    operation,
    format(outstanding),
    contender,
  ];
  return [
    markdownTable(
      title,
      [
        ...[...head, "calls/s here", "p50 ms", ...(isOfPushes ? ["p50 ms: answered"] : []), "p99 ms"],
        ...["CPU µs/call: backend", "all frontends", "all servers", "busiest server"],
        ...["calls/s that keep the busiest server busy", "times those of 1 server"],
      ],
      rows.map((row) => [
        ...beginOf(row),
        formatSpread(row.perSecond),
        formatSpread(row.p50Ms),
        ...(isOfPushes ? [formatSpread(row.doneP50Ms!)] : []),
        formatSpread(row.p99Ms),
        microseconds(row.backendCpuMs),
        microseconds(row.frontendsCpuMs),
        microseconds(row.redisCpuMs),
        microseconds(row.busiestRedisCpuMs),
        formatSpread(row.capacity),
        formatSpread(row.growth),
      ]),
    ),
    markdownTable(
      "the same: what one call is at all servers together, calls inside scripts too",
      [...head, "commands"],
      rows.map((row) => [...beginOf(row), commandsOf(row)]),
    ),
  ];
}

/** The most frequent ones first. */
function commandsOf({ redisCalls }: OperationResult): string {
  return Object.entries(redisCalls)
    .filter(([, calls]) => calls >= FEW_CALLS)
    .toSorted(([, one], [, other]) => other - one)
    .map(([command, calls]) => `${format(calls)} ${command}`)
    .join(", ");
}
