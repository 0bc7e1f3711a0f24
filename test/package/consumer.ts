import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import type { ExecutionContext } from "ava";

const run = promisify(execFile);

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

const manifest = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as {
  exports: Record<string, unknown>;
  bin: Record<string, string>;
};

/** The files that are run, not imported. */
export const COMMANDS = Object.values(manifest.bin);

/** What the core itself is made with. */
export const CORE = ["lru-cache", "fastest-levenshtein"] as const;

/** The `exports` of package.json, without `./package.json`. */
export const EXPORTS = Object.entries(manifest.exports).filter(([path]) => path !== "./package.json");

/** What a user writes after `from`: `globalchannel`, `globalchannel/redis`, ... */
export const IMPORTS = EXPORTS.map(([path]) => path.replace(".", "globalchannel"));

/** Makes a project that has installed the package as npm packs it, and beside it nothing but `dependencies`. */
export async function makeConsumer(t: ExecutionContext, dependencies: readonly string[] = []): Promise<Consumer> {
  const folder = await mkdtemp(join(tmpdir(), "globalchannel-consumer-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const consumer = new Consumer(folder);
  await mkdir(consumer.package, { recursive: true });
  const unpacking = run("tar", ["-xz", "--strip-components=1", "-C", consumer.package]);
  unpacking.child.stdin!.end(await (packed ??= pack()));
  await unpacking;
  for (const dependency of dependencies) {
    const link = join(folder, "node_modules", dependency);
    await mkdir(join(link, ".."), { recursive: true });
    await symlink(join(ROOT, "node_modules", dependency), link);
  }
  return consumer;
}

/** The package as npm packs it: once for all tests, as that takes seconds. */
let packed: Promise<Buffer> | undefined;

async function pack(): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), "globalchannel-pack-"));
  try {
    const { stdout } = await run("npm", ["pack", "--silent", "--pack-destination", folder], { cwd: ROOT });
    return await readFile(join(folder, stdout.trim()));
  } finally {
    await rm(folder, { recursive: true });
  }
}

export class Consumer {
  constructor(readonly folder: string) {}

  /** Where the package is installed. */
  get package(): string {
    return join(this.folder, "node_modules", "globalchannel");
  }

  /** Runs a file with this source and resolves what it printed, as JSON. Rejects if it fails. */
  async run(file: `${string}.mjs` | `${string}.cjs`, source: string): Promise<unknown> {
    await writeFile(join(this.folder, file), source);
    const { stdout } = await run(process.execPath, [file], { cwd: this.folder });
    return JSON.parse(stdout);
  }

  /** Resolves what the TypeScript compiler says of these files (not of what they import), empty if they are correct. */
  async compile(files: Record<string, string>): Promise<string> {
    for (const [file, source] of Object.entries(files)) await writeFile(join(this.folder, file), source);
    const options = "--noEmit --strict --module node16 --target es2022 --types node";
    const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    return run(process.execPath, [tsc, ...options.split(" "), ...Object.keys(files)], { cwd: this.folder }).then(
      () => "",
      ({ stdout }: { stdout: string }) =>
        stdout
          .split("\n")
          .filter((line) => Object.keys(files).some((file) => line.startsWith(`${file}(`)))
          .join("\n"),
    );
  }
}
