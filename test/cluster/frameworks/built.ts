import { readdir, stat } from "node:fs/promises";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const BUILT = ["pomelo/index.js", "pomelo/components/globalChannel.js", "pinus/index.js"].map((file) =>
  join(ROOT, "dist/cjs", file),
);

/** Applications load the plugins as users do, from dist. @throws it is missing or older than the source */
export async function checkBuilt(): Promise<void> {
  const [newest] = (await filesOf(join(ROOT, "src"))).toSorted((a, b) => b.changedMs - a.changedMs);
  for (const path of BUILT) {
    const changedMs = await changeOf(path);
    if (changedMs === undefined) throw new Error(`${relative(ROOT, path)} is missing: run npm run build`);
    if (changedMs < newest!.changedMs) {
      const [old, source] = [relative(ROOT, path), relative(ROOT, newest!.path)];
      throw new Error(`${old} is older than ${source}: run npm run build`);
    }
  }
}

async function filesOf(folder: string): Promise<{ path: string; changedMs: number }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return Promise.all(paths.map(async (path) => ({ path, changedMs: (await changeOf(path)) ?? 0 })));
}

async function changeOf(path: string): Promise<number | undefined> {
  const stats = await stat(path).catch(() => undefined);
  return stats?.mtimeMs;
}
