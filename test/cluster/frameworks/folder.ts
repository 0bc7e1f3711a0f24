import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { FrameworkName } from "./framework.js";

/** One server as `servers.json` lists it. */
export interface ServerEntry {
  id: string;
  serverType: "connector" | "chat";
  host: string;
  port: number;
  clientPort?: number;
}

export interface MasterEntry {
  id: string;
  host: string;
  port: number;
}

/** Only what is wrong: the frameworks log every push at the level "debug", and without a configuration they print it. */
const LOGGING = {
  pomelo: { appenders: [{ type: "console" }], levels: { "[all]": "WARN" } },
  pinus: {
    appenders: { console: { type: "console" } },
    categories: { default: { appenders: ["console"], level: "warn" } },
  },
};

/** A new folder with an application and its configuration. */
export async function createApplicationFolder(
  framework: FrameworkName,
  master: MasterEntry,
  servers: readonly ServerEntry[],
): Promise<string> {
  const base = await mkdtemp(join(tmpdir(), `globalchannel-${framework}-`));
  await cp(fileURLToPath(new URL("application/", import.meta.url)), base, { recursive: true });
  const config = join(base, "config");
  await mkdir(config);
  const write = (name: string, content: unknown) => writeFile(join(config, name), JSON.stringify(content));
  await Promise.all([
    write("master.json", master),
    write("servers.json", byType(servers)),
    write("log4js.json", LOGGING[framework]),
  ]);
  return base;
}

export async function removeApplicationFolder(base: string): Promise<void> {
  await rm(base, { recursive: true, force: true });
}

function byType(servers: readonly ServerEntry[]): Record<string, ServerEntry[]> {
  const types: Record<string, ServerEntry[]> = {};
  for (const server of servers) (types[server.serverType] ??= []).push(server);
  return types;
}
