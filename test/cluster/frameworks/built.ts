import { readdir, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const SOURCES = ["src", "tsup.config.ts"];
/** What applications load by path; the rest of dist is made with it. */
const LOADED = ["pomelo/index.js", "pomelo/components/globalChannel.js", "pinus/index.js"].map((file) =>
  join("dist/cjs", file),
);

/** Applications load the plugins as users do, from dist. @throws it is missing or older than the source */
export async function checkBuilt(): Promise<void> {
  const reason = await whyNotBuilt();
  if (reason !== undefined) throw new Error(`${reason}: run npm run build`);
}

/** What is missing in dist or older than the source, or undefined if all is well. */
export async function whyNotBuilt(): Promise<string | undefined> {
  const built = await filesOf("dist");
  const missing = LOADED.find((path) => !built.some((file) => file.path === path));
  if (missing !== undefined) return `${missing} is missing`;
  const [oldest] = built.toSorted((a, b) => a.changedMs - b.changedMs);
  const [newest] = (await Promise.all(SOURCES.map(filesOf))).flat().toSorted((a, b) => b.changedMs - a.changedMs);
  return oldest!.changedMs < newest!.changedMs ? `${oldest!.path} is older than ${newest!.path}` : undefined;
}

/** A file, or all files in a folder; none if it is not there. */
async function filesOf(name: string): Promise<{ path: string; changedMs: number }[]> {
  const path = join(ROOT, name);
  const stats = await stat(path).catch(() => undefined);
  if (!stats) return [];
  if (!stats.isDirectory()) return [{ path: name, changedMs: stats.mtimeMs }];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    files.map(async (file) => ({ path: relative(ROOT, file), changedMs: (await stat(file)).mtimeMs })),
  );
}
