import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { Profile } from "./profiler.js";
import { resultsPath, writeText } from "./results.js";
import { markdownTable } from "./table.js";

/** A process that has the functions of `profiler.ts`. */
export interface Profilee {
  call(name: "startProfile"): Promise<void>;
  call(name: "stopProfile"): Promise<Profile>;
}

/** Processes by what they are called. */
export type Profilees = Readonly<Record<string, Profilee>>;

/** What is measured, and the processes that matter for it. */
export interface Profiled {
  contender: string;
  /** What else tells it from other measurements. */
  cell: string;
  processes: Profilees;
}

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const FUNCTIONS = 12;
const IDLE = "(idle)";

/** Of this run, where it is to be profiled. */
let folder: string | undefined;
/** Of each file: by contender and process, and by its name. */
const tables = new Map<string, Map<string, SelfTimes>>();

/** From now on, what is measured is profiled. */
export async function startProfiling(bench: string): Promise<void> {
  folder = resultsPath(join("profiles", bench));
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  console.log("With profiles: that slows what is measured, so the numbers are no results.\n");
}

/** Does what is measured: with `--profile`, each of the processes is profiled meanwhile. What was measured last remains. */
export async function profiled<T>({ contender, cell, processes }: Profiled, work: () => Promise<T>): Promise<T> {
  if (folder === undefined) return work();
  const named = Object.entries(processes);
  await Promise.all(named.map(([, process]) => process.call("startProfile")));
  const result = await work();
  for (const [name, process] of named) {
    const file = `${fileNameSafe(`${contender},${cell}`)}.${name}.cpuprofile`;
    const profile = await process.call("stopProfile");
    await writeFile(join(folder, file), JSON.stringify(profile));
    const key = `${contender} ${name}`;
    const known = tables.get(key) ?? new Map<string, SelfTimes>();
    tables.set(key, known.set(file, selfTimes(file, profile)));
  }
  return result;
}

/** Prints where the time went, for each process of each contender where it had most to do, and writes it down for all. */
export async function printProfiles(): Promise<void> {
  if (folder === undefined) return;
  const all = [...tables.values()].map((ofProcess) => [...ofProcess.values()]);
  for (const ofProcess of all) {
    console.log(ofProcess.reduce((most, other) => (other.samples > most.samples ? other : most)).table);
  }
  const text = all.flatMap((ofProcess) => ofProcess.map(({ table }) => table)).join("\n");
  await writeText(join(folder, "profiles.md"), text);
  console.log(`The profiles beside it are flame graphs in Chrome's DevTools, VS Code and speedscope.`);
}

interface SelfTimes {
  /** How many are not idle. */
  samples: number;
  table: string;
}

/** The functions that have run most themselves, without what they have called. */
function selfTimes(title: string, { nodes }: Profile): SelfTimes {
  const hits = new Map<string, { name: string; place: string; count: number }>();
  let total = 0;
  for (const { callFrame, hitCount = 0 } of nodes) {
    const { functionName, url, lineNumber } = callFrame;
    if (functionName === IDLE) continue;
    total += hitCount;
    const place = url === "" ? "-" : `${shortPath(url)}:${lineNumber + 1}`;
    const name = functionName === "" ? "(anonymous)" : functionName;
    const known = hits.get(`${name} ${place}`) ?? { name, place, count: 0 };
    known.count += hitCount;
    hits.set(`${name} ${place}`, known);
  }
  const most = [...hits.values()]
    .filter(({ count }) => count > 0)
    .toSorted((a, b) => b.count - a.count)
    .slice(0, FUNCTIONS);
  const table = markdownTable(
    `${title}: ${total.toLocaleString("en-US")} samples that are not idle`,
    ["function", "where", "% of them, itself"],
    most.map(({ name, place, count }) => [name, place, ((count / total) * 100).toFixed(1)]),
  );
  return { samples: total, table };
}

function shortPath(url: string): string {
  if (url.startsWith("node:")) return url;
  const path = url.startsWith("file:") ? fileURLToPath(url) : url;
  return path.startsWith(ROOT) ? relative(ROOT, path) : path;
}

function fileNameSafe(text: string): string {
  return text.replaceAll(", ", ",").replaceAll(/[^\w=,.+-]+/g, "-");
}
