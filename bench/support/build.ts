import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { whyNotBuilt } from "../../test/cluster/frameworks/built.js";
import { progress } from "./progress.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Builds the package if that was not done since its sources were changed: what is measured is loaded from `dist`, as by users. */
export async function ensureBuilt(): Promise<void> {
  if ((await whyNotBuilt()) === undefined) return;
  progress("npm run build");
  const { status, stdout, stderr } = spawnSync("npm", ["run", "build"], { cwd: ROOT, encoding: "utf8" });
  if (status !== 0) throw new Error(`npm run build failed:\n${stdout}${stderr}`);
}
