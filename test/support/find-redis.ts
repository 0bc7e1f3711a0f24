import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { aptInstall, canAptInstall, explained, isExecutable, run, which, type Log } from "./programs.js";

export type { Log };

const PROGRAMS = ["redis-server", "valkey-server"];

/** Where redis-memory-server puts what it downloads and builds: `<here>/stable/redis-server`. */
const DOWNLOAD_DIR = fileURLToPath(new URL("../../node_modules/.cache/redis-memory-server", import.meta.url));

/** How long a download and build may take; about 2 minutes of it are the build. */
const BUILD_TIMEOUT_MS = 240_000;

export interface FoundRedis {
  /** The path of the server program. */
  binary: string;
  /** What it is, for people: `Redis server v=7.0.15 (/usr/bin/redis-server)`. */
  description: string;
}

/**
 * Finds a Redis server program: on PATH, or one that {@link installRedis} has built. Installs nothing, so that any number
 * of test processes may call it at once.
 */
export async function findRedis(): Promise<FoundRedis> {
  const found = await lookForRedis();
  if (!found) throw new Error("There is no Redis server program. `npm run redis` gets one, or says what to install.");
  return found;
}

/** Finds a Valkey server program on PATH; undefined if there is none. */
export async function findValkey(): Promise<FoundRedis | undefined> {
  const binary = await which("valkey-server");
  return binary === undefined ? undefined : identify(binary);
}

/**
 * {@link findRedis}; if there is none, gets one: redis-memory-server downloads and builds it, or else, on Debian as root,
 * apt-get installs it. May take minutes.
 */
export async function installRedis(log: Log): Promise<FoundRedis> {
  for (const install of [undefined, buildRedis, aptInstallRedis]) {
    try {
      await install?.(log);
    } catch (error) {
      log((error as Error).message);
    }
    const found = await lookForRedis();
    if (found) return found;
  }
  throw new Error(
    "There is no Redis server program, and none could be installed (see above). Install redis-server or valkey-server " +
      "so that it is on PATH: `apt-get install redis-server` on Debian and Ubuntu, `brew install redis` on macOS.",
  );
}

async function lookForRedis(): Promise<FoundRedis | undefined> {
  const onPath = await Promise.all(PROGRAMS.map((program) => which(program)));
  for (const binary of [...onPath, join(DOWNLOAD_DIR, "stable", "redis-server")]) {
    if (binary !== undefined && (await isExecutable(binary))) return identify(binary);
  }
  return undefined;
}

async function identify(binary: string): Promise<FoundRedis> {
  const { stdout } = await run(binary, ["--version"]);
  return { binary, description: `${stdout.split(" sha=")[0]} (${binary})` };
}

async function buildRedis(log: Log): Promise<void> {
  if (!(await which("make")) || !(await which("cc"))) {
    throw new Error("redis-memory-server cannot build Redis here: make and cc are not both on PATH.");
  }
  log("No redis-server or valkey-server on PATH: redis-memory-server downloads and builds Redis ...");
  // In a process of its own, which can be ended: a download that gets no answer would never end by itself.
  const script = `require("redis-memory-server").RedisBinary.getPath(${JSON.stringify({ downloadDir: DOWNLOAD_DIR })})
    .catch((error) => { console.error(String(error)); process.exitCode = 1; })`;
  try {
    await run(process.execPath, ["--eval", script], {
      cwd: fileURLToPath(new URL(".", import.meta.url)),
      timeout: BUILD_TIMEOUT_MS,
      // Without strict_ssl it would not check whom it downloads from.
      env: { ...process.env, npm_config_strict_ssl: "true", MAKEFLAGS: `-j${availableParallelism()}` },
    });
  } catch (error) {
    throw explained("redis-memory-server could not get Redis", error);
  }
}

async function aptInstallRedis(log: Log): Promise<void> {
  if (!(await canAptInstall())) throw new Error("apt-get is not tried: it needs Debian or Ubuntu, and root.");
  await aptInstall(log, "redis-server", "redis-server");
}
