import type { Summary } from "./call-sample.js";
import type { BarChart } from "./chart.js";
import { type Cell, sideBySide } from "./rounds.js";

/** How often a second each operation was done. */
export function rateChart(title: string, results: readonly (Cell<string, string> & Summary)[]): BarChart {
  return {
    kind: "bars",
    title,
    unit: "calls/s",
    isLogarithmic: true,
    bars: sideBySide(results).map(({ operation, outstanding, contender, perSecond }) => ({
      group: `${operation}, ${outstanding} outstanding`,
      contender,
      value: perSecond,
    })),
  };
}
