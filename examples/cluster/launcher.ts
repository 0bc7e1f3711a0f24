// Starts the servers of the demo: each a process of its own, on a Redis; or, where there is no Redis, all in this process.
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { memory } from "../../src/index.js";
import { redis } from "../../src/redis/index.js";
import { NodeProcess } from "../../test/support/process.js";
import { openRedis } from "../../test/support/redis-server.js";
import { startBackend, type BackendApi } from "./backend.js";
import type { Cleanup } from "./cleanup.js";
import { startFrontend, type FrontendApi } from "./frontend.js";

/** A server that was started, wherever it runs. */
export interface Server<A extends FrontendApi | BackendApi> {
  /** For people: `pid 4711`. */
  place: string;
  call: NodeProcess<A>["call"];
  /** Kills its process with SIGKILL. What runs in this process cannot be killed: it stops in an orderly way instead. */
  kill(): Promise<void>;
  /** Resolves, to what its process has written, if that ends though nobody has told it to. */
  died: Promise<string>;
}

export interface Launcher {
  /** Whether each server is a process of its own. */
  separate: boolean;
  startFrontend(sid: string): Promise<Server<FrontendApi>>;
  startBackend(): Promise<Server<BackendApi>>;
}

type Log = (line: string) => void;

/** How long a server may take to stop before it is killed. */
const STOP_MS = 2000;

/** Finds a Redis, at REDIS_URL or on this machine, and says which. @throws if the one at REDIS_URL cannot be reached */
export async function openLauncher(log: Log, cleanup: Cleanup): Promise<Launcher> {
  let server;
  try {
    server = await openRedis(log);
  } catch (error) {
    log((error as Error).message);
    return inThisProcess(log, cleanup);
  }
  cleanup.add(() => server.stop());
  // A prefix of its own: nothing that others keep in this Redis is touched.
  const prefix = `gc-demo-${randomBytes(4).toString("hex")}`;
  log(`Redis: ${server.description}`);
  await cleanAtTheEnd(server.url, prefix, cleanup);
  log(`       at ${new URL(server.url).host}; all keys begin with ${prefix}`);
  return inProcesses({ DEMO_REDIS_URL: server.url, DEMO_PREFIX: prefix }, cleanup);
}

async function cleanAtTheEnd(url: string, prefix: string, cleanup: Cleanup): Promise<void> {
  const { manager } = redis(url, { prefix });
  await manager.start?.();
  cleanup.add(async () => {
    // One that was started for the demo keeps nothing anyway, and Ctrl-C may have ended it already.
    if (url === process.env["REDIS_URL"]) await manager.clean?.();
    await manager.stop?.();
  });
}

function inProcesses(env: NodeJS.ProcessEnv, cleanup: Cleanup): Launcher {
  async function launch<A extends FrontendApi | BackendApi>(file: string, ...args: string[]): Promise<Server<A>> {
    const child = new NodeProcess<A>(new URL(file, import.meta.url), { args, env });
    const stop = () => (child as unknown as NodeProcess<{ stop(): Promise<void> }>).call("stop");
    let mayEnd = false;
    const kill = (): Promise<void> => {
      mayEnd = true;
      return child.kill();
    };
    cleanup.add(async () => {
      mayEnd = true;
      await Promise.race([stop().catch(() => {}), sleep(STOP_MS, undefined, { ref: false })]);
      await kill();
    });
    await child.ready;
    const died = new Promise<string>((resolve) => {
      void child.exited.then(() => mayEnd || resolve(child.output));
    });
    return { place: `pid ${child.pid}`, call: child.call.bind(child), kill, died };
  }
  return {
    separate: true,
    startFrontend: (sid) => launch("frontend.ts", sid),
    startBackend: () => launch("backend.ts"),
  };
}

/** The same servers, on a cluster in the memory of this process. */
export function inThisProcess(log: Log, cleanup: Cleanup): Launcher {
  log("No Redis: all servers run in this process, on the in-memory cluster.");
  const cluster = memory();
  function server<A extends FrontendApi | BackendApi>(api: A): Server<A> {
    cleanup.add(() => api.stop());
    const call = async (name: keyof A, ...args: unknown[]) => (api[name] as (...args: unknown[]) => unknown)(...args);
    return {
      place: "this process",
      call: call as Server<A>["call"],
      kill: () => api.stop(),
      died: new Promise(() => {}),
    };
  }
  return {
    separate: false,
    startFrontend: async (sid) => server(await startFrontend(cluster, sid)),
    startBackend: async () => server(await startBackend(cluster)),
  };
}
