import { readFile } from "node:fs/promises";
import type { Chart } from "./chart.js";
import { isShown } from "./chart-specs.js";
import { type Environment, environmentLines } from "./machine.js";
import { svgOf } from "./render-charts.js";
import { resultsPath, writeText } from "./results.js";

/** What of a bench is needed to draw its results. */
interface Drawable {
  readonly name: string;
  readonly question: string;
  readonly parts: Readonly<Record<string, { charts?(results: unknown): Chart[] }>>;
}

/** What is written down: for each part that has run, its results. */
export type WrittenResults = Environment & Readonly<Record<string, unknown>>;

/** Draws the charts of all parts in one file, beside that of the results. Resolves whether there was anything to draw. */
export async function draw(bench: Drawable, results: WrittenResults, jsonFile: string): Promise<boolean> {
  const charts = Object.entries(bench.parts)
    .flatMap(([name, part]) => (name in results ? (part.charts?.(results[name]) ?? []) : []))
    .filter(isShown);
  if (charts.length === 0) return false;
  const svg = await svgOf({ title: bench.question, subtitle: environmentLines(results), charts });
  await writeText(jsonFile.replace(/(\.json)?$/, ".svg"), svg);
  return true;
}

/** Draws what a run has written down before. @param jsonFile @default that of the last whole run */
export async function drawAgain(bench: Drawable, jsonFile = resultsPath(`${bench.name}.json`)): Promise<void> {
  const text = await readFile(jsonFile, "utf8").catch((cause: unknown) => {
    throw new Error(`${bench.name} has written down nothing at ${jsonFile}`, { cause });
  });
  const results = JSON.parse(text) as WrittenResults;
  if (!(await draw(bench, results, jsonFile)))
    throw new Error(`${jsonFile} has nothing of which ${bench.name} has charts`);
}
