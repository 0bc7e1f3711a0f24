import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { tmpdir } from "node:os";

import { RedisMemoryServer } from "redis-memory-server";

import { findRedis, installRedis, type FoundRedis, type Log } from "./find-redis.js";
import { randomPort } from "./programs.js";

const HOST = "127.0.0.1";

const START_ATTEMPTS = 5;

export interface StartOptions {
  /** Further arguments of the server program, e.g. `["--maxmemory", "8mb"]`. */
  args?: readonly string[];
  /** @default a free one */
  port?: number;
  /** @default what {@link findRedis} finds */
  program?: FoundRedis;
}

/**
 * Starts an empty Redis on 127.0.0.1 that keeps nothing on disk. It dies within seconds of the process that started it, even
 * if that is killed; {@link RedisServer.stop} it all the same, since a process does not end by itself while it has one.
 */
export async function startRedis({ args = [], port, program }: StartOptions = {}): Promise<RedisServer> {
  const { binary, description } = program ?? (await findRedis());
  for (let attempt = 1; ; attempt++) {
    const chosen = port ?? randomPort();
    try {
      return new RedisServer(await launch(binary, chosen, args), chosen, description);
    } catch (error) {
      // Another process may have taken the port first.
      if (!(error instanceof PortTaken) || port !== undefined || attempt === START_ATTEMPTS) throw error;
    }
  }
}

/** A Redis to show something with: the one at `REDIS_URL` if that is set, otherwise a new one, installed if need be. */
export async function openRedis(log: Log): Promise<Pick<RedisServer, "url" | "description" | "stop">> {
  const url = process.env["REDIS_URL"];
  if (url) return { url, description: `the Redis at REDIS_URL`, stop: async () => {} };
  await installRedis(log);
  return startRedis();
}

/** A Redis that this process has started. */
export class RedisServer {
  readonly host = HOST;
  readonly port: number;
  readonly url: string;
  /** What it is, for people. */
  readonly description: string;
  readonly #server: RedisMemoryServer;

  constructor(server: RedisMemoryServer, port: number, description: string) {
    this.#server = server;
    this.port = port;
    this.url = `redis://${HOST}:${port}`;
    this.description = description;
  }

  /** The process id, or undefined while it does not run. Stop and continue it to make a Redis that hangs. */
  get pid(): number | undefined {
    const child = this.#child();
    return child?.exitCode === null && child.signalCode === null ? child.pid : undefined;
  }

  /** Shuts it down; again: does nothing. */
  async stop(): Promise<void> {
    this.#child()?.kill("SIGCONT");
    await this.#server.stop();
  }

  /** Kills it (`SIGKILL`). */
  async kill(): Promise<void> {
    const child = this.#child();
    if (this.pid !== undefined && child?.kill("SIGKILL")) await once(child, "exit");
    await this.#server.stop();
  }

  /** Starts it again, empty, at the same port; stops it first if it runs. */
  async restart(): Promise<void> {
    await this.stop();
    // The same RedisMemoryServer: only that one keeps its port.
    await this.#server.start();
  }

  #child() {
    const info = this.#server.getInstanceInfo();
    return info === false ? undefined : info.childProcess;
  }
}

class PortTaken extends Error {}

async function launch(binary: string, port: number, args: readonly string[]): Promise<RedisMemoryServer> {
  const server = new RedisMemoryServer({
    instance: {
      ip: HOST,
      port,
      // Neither a dump left in the working directory is read, nor anything written there. Valkey takes no empty name.
      args: ["--dir", tmpdir(), "--dbfilename", `${randomUUID()}.rdb`, ...args],
    },
    binary: { systemBinary: binary },
  });
  try {
    await server.start();
  } catch (cause) {
    if (/already in use/i.test(String(cause))) throw new PortTaken(`port ${port} is taken`);
    const how = `${binary} --port ${port} ${args.join(" ")}`.trim();
    throw new Error(`${how} did not start (REDISMS_DEBUG=1 shows why): ${String(cause)}`, { cause });
  }
  // It takes another port by itself where this one is in use.
  if ((await server.getPort()) !== port) {
    await server.stop();
    throw new PortTaken(`port ${port} is taken`);
  }
  return server;
}
