import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** Where results go by default. */
export function resultsPath(name: string): string {
  return fileURLToPath(new URL(`../results/${name}`, import.meta.url));
}

export async function writeText(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  console.log(`Written: ${relative(process.cwd(), file)}`);
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
