import type { Redis } from "ioredis";
import { chunks } from "../../src/batches.js";
import type { NodeProcess } from "../../test/support/process.js";
import type { ClientProtocol, ContenderName } from "../contenders/contender.js";
import { RECEIVER_OF } from "../contenders/index.js";
import { startChild } from "../support/child.js";
import { sidsOf } from "../support/names.js";
import { startRedisServers, type RedisServersOptions } from "../support/redis-servers.js";
import type { Scope } from "../support/scope.js";
import type { BackendApi } from "./backend-process.js";
import type { ClientPlace } from "./client.js";
import type { ClientsApi } from "./client-process.js";
import type { FrontendApi, FrontendConfig, Ports } from "./frontend-process.js";

/** Redis would cut off a frontend for which the original has more than 32 MB on the way. */
const REDIS_ARGS = ["--client-output-buffer-limit", "pubsub", "0", "0", "0"];

const [FRONTEND, BACKEND, CLIENTS] = ["frontend", "backend", "client"].map(
  (kind) => new URL(`${kind}-process.ts`, import.meta.url),
) as [URL, URL, URL];

const CLIENT_PROCESSES = 2;

/** How many processes begin at the same time. */
const STARTING = 8;

export interface ClusterOptions extends Pick<RedisServersOptions, "primaries"> {
  frontends: number;
  clients: FrontendConfig["clients"];
  contenders: readonly ContenderName[];
}

/** What each cluster has; clients come later, if at all. */
export interface ClusterProcesses {
  /** Clients of its servers. */
  redis: readonly Redis[];
  sids: readonly string[];
  /** In the order of `sids`. */
  frontends: readonly NodeProcess<FrontendApi>[];
  /** Of each frontend. */
  ports: readonly Ports[];
  backends: ReadonlyMap<ContenderName, NodeProcess<BackendApi>>;
}

/** Starts them on a Redis of their own. Everything ends with `scope`. */
export async function startProcesses(
  scope: Scope,
  { frontends: count, clients, contenders, primaries }: ClusterOptions,
): Promise<ClusterProcesses> {
  const { url, clients: redis } = await startRedisServers(scope, { primaries, args: REDIS_ARGS });
  const sids = sidsOf(count);
  const receivers = [...new Set(contenders.map((contender) => RECEIVER_OF[contender]))];
  const frontends: NodeProcess<FrontendApi>[] = [];
  const ports: Ports[] = [];
  for (const some of chunks(sids, STARTING)) {
    const starting = some.map(async (sid) => {
      const config: FrontendConfig = { url, sid, clients, receivers };
      const process = await startChild<FrontendApi>(scope, FRONTEND, config);
      return [process, await process.call("start")] as const;
    });
    for (const [process, itsPorts] of await Promise.all(starting)) {
      frontends.push(process);
      ports.push(itsPorts);
    }
  }
  const backends = contenders.map(async (contender) => {
    const process = await startChild<BackendApi>(scope, BACKEND, { url, contender, sids });
    await process.call("start");
    return [contender, process] as const;
  });
  return { redis, sids, frontends, ports, backends: new Map(await Promise.all(backends)) };
}

/** Starts processes that have a client at each of these places, connected. They end with `scope`. */
export function startClients(
  scope: Scope,
  places: readonly ClientPlace[],
  protocol: ClientProtocol,
): Promise<NodeProcess<ClientsApi>[]> {
  const shares = chunks(places, Math.ceil(places.length / CLIENT_PROCESSES));
  return Promise.all(
    shares.map(async (share) => {
      const clients = await startChild<ClientsApi>(scope, CLIENTS);
      await clients.call("connect", share, protocol);
      return clients;
    }),
  );
}
