import type { Redis } from "ioredis";
import { chunks } from "../../src/batches.js";
import type { NodeProcess } from "../../test/support/process.js";
import { startChild } from "../support/child.js";
import type { ProcessUsage } from "../support/process-usage.js";
import type { Load, LoadResult } from "../support/load.js";
import type { Profilees } from "../support/profiling.js";
import { startRedisServers } from "../support/redis-servers.js";
import type { Scope } from "../support/scope.js";
import type { BrokerApi } from "./broker-process.js";
import type { ClientsApi } from "./client-process.js";
import type { ContenderName } from "./contender.js";
import type { ProducerApi } from "./producer-process.js";
import type { RawApi } from "./raw-process.js";

const CLIENT_PROCESSES = 2;

const [BROKER, PRODUCER, RAW, CLIENTS] = ["broker", "producer", "raw", "client"].map(
  (kind) => new URL(`${kind}-process.ts`, import.meta.url),
) as [URL, URL, URL, URL];

/** What takes part when one contender sends messages. */
export interface Participants {
  /** The process that sends, and waits for the clients. */
  sender: {
    call(name: "listenForArrivals"): Promise<number>;
    call(name: "run", load: Load): Promise<LoadResult>;
  };
  /** What serves the clients, and what sends to that, where that is another process. */
  usages: { server(): Promise<ProcessUsage>; sender?(): Promise<ProcessUsage> };
  redis: readonly Redis[];
  clients: readonly NodeProcess<ClientsApi>[];
  profilees: Profilees;
}

/** Starts the processes of a contender, with so many clients, all in one room. Everything ends with `scope`. */
export function startParticipants(scope: Scope, contender: ContenderName, clients: number): Promise<Participants> {
  return contender === "raw" ? startRaw(scope, clients) : startOurs(scope, clients);
}

async function startOurs(scope: Scope, count: number): Promise<Participants> {
  const { url, clients: redis } = await startRedisServers(scope);
  const broker = await startChild<BrokerApi>(scope, BROKER, { url });
  const { port, rpcPort } = await broker.call("start");
  const producer = await startChild<ProducerApi>(scope, PRODUCER, { rpcPort });
  const { processes, ids } = await startClients(scope, port, await producer.call("tokens", count));
  await producer.call("join", ids);
  return {
    sender: producer,
    usages: { server: () => broker.call("usage"), sender: () => producer.call("usage") },
    redis,
    clients: processes,
    profilees: { broker, producer },
  };
}

async function startRaw(scope: Scope, count: number): Promise<Participants> {
  const server = await startChild<RawApi>(scope, RAW);
  const port = await server.call("start");
  const tokens = Array.from({ length: count }, (_, index) => `${index}`);
  const { processes } = await startClients(scope, port, tokens);
  return {
    sender: server,
    usages: { server: () => server.call("usage") },
    redis: [],
    clients: processes,
    profilees: { server },
  };
}

async function startClients(scope: Scope, port: number, tokens: readonly string[]) {
  const shares = chunks(tokens, Math.ceil(tokens.length / CLIENT_PROCESSES));
  const started = await Promise.all(
    shares.map(async (share) => {
      const process = await startChild<ClientsApi>(scope, CLIENTS);
      return { process, ids: await process.call("connect", port, share) };
    }),
  );
  return { processes: started.map(({ process }) => process), ids: started.flatMap(({ ids }) => ids) };
}
