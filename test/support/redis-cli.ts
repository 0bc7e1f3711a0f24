import { dirname } from "node:path";

import { findRedis } from "./find-redis.js";
import { aptInstall, canAptInstall, which, type Log } from "./programs.js";

const PROGRAMS = ["redis-cli", "valkey-cli"];

/** The path of `redis-cli`, or of `valkey-cli`: on PATH, or next to the server program. */
export async function findRedisCli(server: string): Promise<string> {
  for (const program of PROGRAMS) {
    const found = await which(program, [dirname(server)]);
    if (found !== undefined) return found;
  }
  throw new Error(
    `There is no redis-cli or valkey-cli on PATH or next to ${server}, which makes a cluster. Install one: ` +
      "`apt-get install redis-tools` on Debian and Ubuntu, `brew install redis` on macOS.",
  );
}

/** {@link findRedisCli}; on Debian as root, apt-get installs it if there is none: who has built a server has no more than that. */
export async function installRedisCli(log: Log): Promise<string> {
  const { binary } = await findRedis();
  try {
    return await findRedisCli(binary);
  } catch (error) {
    if (!(await canAptInstall())) throw error;
    await aptInstall(log, "redis-tools");
    return findRedisCli(binary);
  }
}
