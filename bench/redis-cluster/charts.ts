import type { BarChart, Chart } from "../support/chart.js";
import { format, type Measured } from "../support/statistics.js";
import type { OperationResult } from "./result.js";

/** What is done here, and how what the busiest server could do grows with the servers. */
export function chartsOf(title: string, results: readonly OperationResult[]): Chart[] {
  const busy = results.filter((result) => isBusy(result, results));
  const bars = (value: (result: OperationResult) => Measured): BarChart["bars"] =>
    busy.map((result) => ({
      group: `${result.operation}, ${format(result.outstanding)} outstanding`,
      contender: result.contender,
      value: value(result),
    }));
  return [
    {
      kind: "bars",
      title: `${title}: calls/s on this machine, whose cores all servers share`,
      unit: "calls/s",
      isLogarithmic: true,
      bars: bars(({ perSecond }) => perSecond),
    },
    {
      kind: "bars",
      title: `${title}: calls/s that keep the busiest server busy`,
      unit: "times those of one server",
      bars: bars(({ growth }) => growth),
    },
  ];
}

/** One at a time, what is measured with many outstanding too only tells of latencies: servers mostly wait. */
function isBusy({ operation, outstanding }: OperationResult, all: readonly OperationResult[]): boolean {
  return outstanding > 1 || all.every((other) => other.operation !== operation || other.outstanding === 1);
}
