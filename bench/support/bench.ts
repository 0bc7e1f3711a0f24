import { installMysql } from "../../test/support/find-mysql.js";
import { installRedis } from "../../test/support/find-redis.js";
import type { Chart } from "./chart.js";
import { type Claim, claimsTable, isKept } from "./claims.js";
import { draw, type WrittenResults } from "./draw.js";
import { describeEnvironment, environmentText } from "./machine.js";
import { endProgress } from "./progress.js";
import { printProfiles, startProfiling } from "./profiling.js";
import { resultsPath, writeText, writeToReadme } from "./results.js";

/** A part of a bench, which can be run without the others. */
export interface Part<T> {
  /** Whether `--quick` leaves it out. */
  slow: boolean;
  /** Resolves what goes into the file of results. */
  measure(quick: boolean): Promise<T>;
  /** The results as tables of Markdown. */
  tables(results: T): string[];
  /** What the library promises of it. @default nothing */
  claims?(results: T): Claim[];
  /** The results as pictures. @default none */
  charts?(results: T): Chart[];
}

/** A question about the library's speed or cost, and how to answer it. */
export interface Bench {
  /** What it is called on the command line. */
  readonly name: string;
  readonly question: string;
  /** What `--quick` leaves out. */
  readonly quick: string;
  readonly parts: Readonly<Record<string, Part<unknown>>>;
  /** Packages whose versions matter besides those that always do. @default none */
  readonly packages?: readonly string[];
  /** Whether it measures MySQL where there is one. @default false */
  readonly usesMysql?: boolean;
}

export interface RunOptions {
  /** @default false */
  quick?: boolean;
  /** Which parts to run. @default all that `quick` does not leave out */
  part?: readonly string[];
  /** The file that the results go to; their picture goes beside it. @default one in bench/results */
  json?: string;
  /** Whether to profile what is measured. That slows it: the results are none. @default false */
  profile?: boolean;
  /** As it is written down with the results. */
  commandLine: string;
}

/** Prints the results and writes them down; resolves whether every promise was kept. */
export async function runBench(bench: Bench, options: RunOptions): Promise<boolean> {
  const { quick = false, part, json, profile = false, commandLine } = options;
  const startedAt = performance.now();
  if (profile) await startProfiling(bench.name);
  const servers = {
    redis: (await installRedis(console.error)).description,
    ...(bench.usesMysql && { mysql: (await installMysql(console.error))?.description ?? "no MySQL" }),
  };
  const environment = describeEnvironment(commandLine, servers, bench.packages);
  const printed: string[] = [];
  const print = (text: string): void => {
    printed.push(text);
    console.log(text);
  };
  print(environmentText(environment));
  const all = Object.entries(bench.parts);
  const chosen = all.filter(([name, { slow }]) => (part ? part.includes(name) : !quick || !slow));
  const results: Record<string, unknown> = {};
  const claims: Claim[] = [];
  for (const [name, { measure, tables, claims: claimsOf }] of chosen) {
    const result = await measure(quick);
    endProgress();
    for (const table of tables(result)) print(table);
    results[name] = result;
    claims.push(...(claimsOf?.(result) ?? []));
  }
  if (claims.length > 0) print(claimsTable(claims));
  const isWhole = !quick && !profile && chosen.length === all.length;
  const judged = claims.map((claim) => ({ ...claim, kept: isKept(claim) }));
  const written: WrittenResults = { bench: bench.name, ...environment, claims: judged, ...results };
  const file = json ?? resultsPath(`${bench.name}${isWhole ? "" : ".partial"}.json`);
  await writeText(file, `${JSON.stringify(written, undefined, 2)}\n`);
  if (isWhole && json === undefined) {
    const picture = `![${bench.name}](results/${bench.name}.svg)\n`;
    await writeToReadme(bench.name, [picture, ...printed].join("\n"));
  }
  await draw(bench, written, file);
  console.log(`It took ${Math.round((performance.now() - startedAt) / 1000)} s.`);
  if (profile) await printProfiles();
  return profile || judged.every(({ kept }) => kept);
}
