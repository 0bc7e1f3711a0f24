import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

/** Writes results to a file, by default one in `bench/results`. */
export async function writeResults(results: object, { file, name }: { file: string | undefined; name: string }) {
  const path = file ?? fileURLToPath(new URL(`../results/${name}.json`, import.meta.url));
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, `${JSON.stringify(results, undefined, 2)}\n`);
  console.log(`Written to ${path}`);
}

/** Puts the text in the README in the place of that of the last run, between `<!-- name -->` and `<!-- /name -->`. */
export async function writeToReadme(name: string, text: string): Promise<void> {
  const file = new URL("../README.md", import.meta.url);
  const readme = await readFile(file, "utf8");
  const [begin, end] = [`<!-- ${name} -->\n`, `<!-- /${name} -->`];
  const from = readme.indexOf(begin);
  const to = readme.indexOf(end);
  if (from < 0 || to < from) throw new Error(`bench/README.md has no place for the results of ${name}: ${begin}${end}`);
  await writeFile(file, `${readme.slice(0, from + begin.length)}\n${text}\n${readme.slice(to)}`);
}
