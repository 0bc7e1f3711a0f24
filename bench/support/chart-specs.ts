import type { TopLevelSpec } from "vega-lite";
import type { BarChart, Chart, LineChart } from "./chart.js";
import { colourOf, isEmphasised, isLimit } from "./contender-colours.js";
import { format, type Measured } from "./statistics.js";
import { wrap } from "./wrap.js";

/** A chart among others, for Vega-Lite. */
export type ChartSpec = Extract<TopLevelSpec, { concat: unknown }>["concat"][number];

const LINES_HEIGHT = 280;
/** Of a bar, with what is around it. */
const BAR_STEP = 21;
const GROUP_TITLE = 30;
/** How wide one is in a title of a group. */
const CHARACTER = 6.5;
const LIMIT_OUTLINE = "#666666";
const SPREAD = "#222222";
/** `12,345.6`; never `1e+4`. */
const NUMBERS = ",.6~r";
const SYMBOLS = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right"];

/** Those that have something to show. */
export function isShown(chart: Chart): boolean {
  return chart.kind === "bars" ? chart.bars.length > 0 : chart.points.length > 0;
}

/** @param width of what is in its axes, in pixels */
export function specOf(chart: Chart, width: number): ChartSpec {
  return chart.kind === "bars" ? barsSpec(chart, width) : linesSpec(chart, width);
}

/** How many pixels high it is, about. */
export function heightOf(chart: Chart): number {
  return chart.kind === "lines" ? LINES_HEIGHT : chart.bars.length * BAR_STEP + groupsOf(chart).length * GROUP_TITLE;
}

/** The groups below each other, over one axis. */
function barsSpec(chart: BarChart, width: number): ChartSpec {
  const groups = groupsOf(chart);
  return {
    title: titleOf(chart, width),
    spacing: 10,
    // Not every contender is in every group.
    resolve: { scale: { x: "shared", y: "independent", color: "independent" } },
    vconcat: groups.map((group, index) => groupSpec(chart, group, { width, hasAxis: index === groups.length - 1 })),
  };
}

/** A bar for each contender. @param hasAxis whether values are written below it */
function groupSpec(chart: BarChart, group: string, { width, hasAxis }: { width: number; hasAxis: boolean }): ChartSpec {
  const bars = chart.bars.filter((bar) => bar.group === group);
  const contenders = unique(bars.map(({ contender }) => contender));
  const { axis, ...x } = valueChannel(chart, chart.bars);
  return {
    title: { text: wrap(group, width / CHARACTER), fontSize: 12, offset: 4 },
    data: {
      values: bars.map(({ contender, value }) => ({
        ...{ contender, isLimit: isLimit(contender), label: format(value.median) },
        ...value,
      })),
    },
    width,
    height: { step: BAR_STEP },
    encoding: {
      y: {
        field: "contender",
        type: "nominal",
        sort: null,
        axis: {
          title: null,
          ticks: false,
          labelPadding: 5,
          labelFontWeight: {
            condition: { test: among(contenders.filter(isEmphasised)), value: "bold" },
            value: "normal",
          },
        },
      },
    },
    layer: [
      {
        mark: { type: "bar", strokeDash: [3, 2] },
        encoding: {
          x: {
            field: "median",
            ...x,
            stack: null,
            axis: hasAxis ? axis : { ...axis, title: null, labels: false, ticks: false, domain: false },
          },
          color: { ...colours(contenders), legend: null },
          stroke: { condition: { test: "datum.isLimit", value: LIMIT_OUTLINE }, value: null },
        },
      },
      ...spread("x"),
      {
        mark: { type: "text", align: "left", dx: 5 },
        encoding: { x: { field: "max", type: "quantitative" }, text: { field: "label", type: "nominal" } },
      },
    ],
  };
}

function titleOf({ title }: Chart, width: number): string[] {
  return wrap(title, width / (CHARACTER * 1.2));
}

function groupsOf({ bars }: BarChart): string[] {
  return unique(bars.map(({ group }) => group));
}

function linesSpec(chart: LineChart, width: number): ChartSpec {
  const { x, points } = chart;
  const contenders = unique(points.map(({ contender }) => contender));
  const values = points.map(({ contender, x: at, value }) => ({
    ...{ contender, at, isLimit: isLimit(contender), isEmphasised: isEmphasised(contender) },
    ...value,
  }));
  const y = { field: "median", ...valueChannel(chart, points) };
  const color = colours(contenders);
  return {
    title: titleOf(chart, width),
    data: { values },
    width,
    height: LINES_HEIGHT,
    encoding: {
      x: {
        field: "at",
        type: "quantitative",
        scale: x.isLogarithmic ? { type: "log", nice: false, padding: 12 } : { zero: false, nice: false, padding: 12 },
        axis: {
          title: x.title,
          format: NUMBERS,
          grid: false,
          values: unique(points.map(({ x: at }) => at)),
        },
      },
    },
    layer: [
      ...spread("y", color),
      {
        mark: { type: "line" },
        encoding: {
          y,
          color,
          strokeDash: { condition: { test: "datum.isLimit", value: [5, 4] }, value: [] },
          strokeWidth: { condition: { test: "datum.isEmphasised", value: 3 }, value: 1.5 },
        },
      },
      {
        mark: { type: "point", filled: true, size: 55, opacity: 1 },
        encoding: {
          y,
          color,
          shape: { field: "contender", type: "nominal", scale: { domain: contenders, range: SYMBOLS } },
        },
      },
    ],
  };
}

/** From the least to the most that was measured. */
function spread(along: "x" | "y", color?: ReturnType<typeof colours>) {
  const ends = { [along]: { field: "min", type: "quantitative" }, [`${along}2`]: { field: "max" } };
  const mark = { type: "rule", ...(color ? { opacity: 0.6, strokeWidth: 3 } : { color: SPREAD }) } as const;
  return [{ mark, encoding: { ...ends, ...(color && { color }) } }];
}

/** The axis of what was measured, and how it is laid out. */
function valueChannel({ unit, isLogarithmic = false }: Chart, measured: readonly { value: Measured }[]) {
  const values = measured.map(({ value }) => value);
  const axis = { title: unit, format: NUMBERS, tickCount: 6 };
  if (!isLogarithmic) return { type: "quantitative", axis } as const;
  const least = Math.min(...values.map(({ min }) => min).filter((min) => min > 0));
  const most = Math.max(...values.map(({ max }) => max));
  // Where the least begins on the axis itself, its bar is none.
  const domain = [10 ** Math.floor(Math.log10(least / 1.5)), most];
  return {
    type: "quantitative",
    scale: { type: "log", domain, nice: false },
    axis: { ...axis, values: powersOf10(domain as [number, number]) },
  } as const;
}

/** Those between them; also their double and their half where there are few. */
function powersOf10([from, to]: [number, number]): number[] {
  const first = Math.floor(Math.log10(from));
  const powers = Array.from({ length: Math.ceil(Math.log10(to)) - first + 1 }, (_, index) => 10 ** (first + index));
  const steps = powers.length > 3 ? [1] : [1, 2, 5];
  return powers.flatMap((power) => steps.map((step) => power * step)).filter((value) => value >= from && value <= to);
}

function colours(contenders: readonly string[]) {
  return {
    field: "contender",
    type: "nominal",
    title: null,
    scale: { domain: [...contenders], range: contenders.map(colourOf) },
  } as const;
}

/** Whether the value of an axis is one of these, as an expression of Vega. */
function among(contenders: readonly string[]): string {
  return `indexof(${JSON.stringify(contenders)}, datum.value) >= 0`;
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
