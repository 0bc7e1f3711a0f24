import type { Measured } from "./statistics.js";

interface ChartBase {
  title: string;
  /** Of the values. */
  unit: string;
  /** @default false */
  isLogarithmic?: boolean;
}

/** Groups of bars, one for each contender, with their spread. */
export interface BarChart extends ChartBase {
  kind: "bars";
  bars: readonly { group: string; contender: string; value: Measured }[];
}

/** A line for each contender, with its spread. */
export interface LineChart extends ChartBase {
  kind: "lines";
  x: { title: string; isLogarithmic?: boolean };
  points: readonly { contender: string; x: number; value: Measured }[];
}

export type Chart = BarChart | LineChart;
