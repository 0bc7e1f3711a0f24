import type { Summary } from "./call-sample.js";
import { type Cell, sideBySide } from "./rounds.js";
import { format, formatSpread, type Measured } from "./statistics.js";
import { markdownTable } from "./table.js";

/** Operations that are many in a second; of frontends only where a contender has some. */
export function rateTable(title: string, results: readonly (Cell<string, string> & Summary)[]): string {
  const hasFrontends = results.some(({ frontendsCpuMsPerCall }) => frontendsCpuMsPerCall);
  return markdownTable(
    title,
    [
      ...["operation", "outstanding", "contender", "calls/s", "p50 ms", "p99 ms"],
      ...["CPU µs/call: its process", "its store", ...(hasFrontends ? ["its frontends"] : [])],
    ],
    sideBySide(results).map((result) => [
      result.operation,
      String(result.outstanding),
      result.contender,
      formatSpread(result.perSecond),
      formatSpread(result.p50Ms),
      formatSpread(result.p99Ms),
      microseconds(result.cpuMsPerCall),
      microseconds(result.storeCpuMsPerCall),
      ...(hasFrontends ? [microseconds(result.frontendsCpuMsPerCall)] : []),
    ]),
  );
}

export function microseconds(ms: Measured | undefined): string {
  return ms ? format(ms.median * 1000) : "-";
}
