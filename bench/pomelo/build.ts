import { spawnSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { progress } from "../support/progress.js";

const ROOT = new URL("../../", import.meta.url);
const SOURCES = ["src/", "tsup.config.ts"];
const BUILT = "dist/";

/** Builds the package if that was not done since its sources were changed: Pomelo loads the plugin from `dist`, as users do. */
export function ensureBuilt(): void {
  const built = Math.min(...timesOf(BUILT));
  const changed = Math.max(...SOURCES.flatMap(timesOf));
  if (Number.isFinite(built) && built > changed) return;
  progress("npm run build");
  const { status, stdout, stderr } = spawnSync("npm", ["run", "build"], { cwd: fileURLToPath(ROOT), encoding: "utf8" });
  if (status !== 0) throw new Error(`npm run build failed:\n${stdout}${stderr}`);
}

/** When files were changed: of a folder all those in it. */
function timesOf(path: string): number[] {
  const file = fileURLToPath(new URL(path, ROOT));
  const stats = statSync(file, { throwIfNoEntry: false });
  if (!stats) return [];
  if (!stats.isDirectory()) return [stats.mtimeMs];
  return readdirSync(file, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => statSync(`${parentPath}/${name}`).mtimeMs);
}
