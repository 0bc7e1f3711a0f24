import { parse, View } from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import type { Chart } from "./chart.js";
import { heightOf, specOf } from "./chart-specs.js";
import { isLimit } from "./contender-colours.js";
import { wrap } from "./wrap.js";

const INK = "#1f2328";
const FONT = "Helvetica, Arial, sans-serif";
/** More charts than this are put in two columns. */
const MAX_IN_A_COLUMN = 2;
/** By the number of columns: a README shows no more than about 900 pixels, and shrinks what is wider. */
const WIDTHS = { 1: 430, 2: 290 };
const LINE_LENGTHS = { 1: { title: 60, subtitle: 112 }, 2: { title: 80, subtitle: 130 } };
const SPACING = 36;
const HOW_TO_READ = "The median of all rounds, and a line from the least to the most.";
const WHAT_IS_GREY = "Grey: the bare limit, without what the others do besides.";

export interface Picture {
  title: string;
  subtitle: readonly string[];
  charts: readonly Chart[];
}

/** All the charts of a run as one SVG. */
export async function svgOf(picture: Picture): Promise<string> {
  const view = new View(parse(compile(specOfPicture(picture)).spec), { renderer: "none" });
  return `${await view.toSVG()}\n`;
}

function specOfPicture({ title, subtitle, charts }: Picture): TopLevelSpec {
  const columns = charts.length > MAX_IN_A_COLUMN ? 2 : 1;
  const lengths = LINE_LENGTHS[columns];
  return {
    $schema: "https://vega.github.io/schema/vega-lite/v6.json",
    title: {
      text: wrap(title, lengths.title),
      subtitle: [...subtitle, hasLimit(charts) ? `${HOW_TO_READ} ${WHAT_IS_GREY}` : HOW_TO_READ].flatMap((line) =>
        wrap(line, lengths.subtitle),
      ),
      fontSize: 17,
      frame: "bounds",
      subtitlePadding: 6,
      offset: 22,
    },
    // Readable on a dark page too.
    background: "white",
    padding: 16,
    hconcat: (columns === 1 ? [charts] : balanced(charts)).map((column) => ({
      vconcat: column.map((chart) => specOf(chart, WIDTHS[columns])),
      spacing: SPACING,
      bounds: "full",
      resolve: { scale: { color: "independent", shape: "independent", x: "independent", y: "independent" } },
    })),
    spacing: SPACING,
    bounds: "full",
    config: {
      font: FONT,
      view: { stroke: null },
      title: {
        anchor: "start",
        // Where the axes begin: names to the left of them are not as long in each chart.
        frame: "group",
        color: INK,
        subtitleColor: INK,
        fontSize: 14,
        subtitleFontSize: 11,
        limit: 0,
        offset: 10,
      },
      axis: {
        labelColor: INK,
        titleColor: INK,
        labelFontSize: 11,
        titleFontSize: 11,
        titleFontWeight: "normal",
        gridColor: "#e4e7eb",
        labelLimit: 0,
        titleLimit: 0,
      },
      legend: { labelColor: INK, labelFontSize: 11, labelLimit: 0, symbolOpacity: 1, orient: "bottom", columns: 2 },
      text: { color: INK, fontSize: 11 },
    },
  };
}

function hasLimit(charts: readonly Chart[]): boolean {
  return charts.some((chart) => {
    const values = chart.kind === "bars" ? chart.bars : chart.points;
    return values.some(({ contender }) => isLimit(contender));
  });
}

/** In two columns that are as high, as far as that goes. */
function balanced(charts: readonly Chart[]): [Chart[], Chart[]] {
  const height = (some: readonly Chart[]): number => some.reduce((sum, chart) => sum + heightOf(chart) + SPACING, 0);
  const splits = charts.slice(1).map((_, index) => {
    const [left, right] = [charts.slice(0, index + 1), charts.slice(index + 1)];
    return { columns: [left, right] as [Chart[], Chart[]], height: Math.max(height(left), height(right)) };
  });
  return splits.toSorted((a, b) => a.height - b.height)[0]!.columns;
}
