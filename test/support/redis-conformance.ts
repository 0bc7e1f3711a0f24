import { randomUUID } from "node:crypto";
import test from "ava";
import { Redis } from "ioredis";
import { ALL_BUT_USER_INDEX } from "../../src/capabilities.js";
import {
  channelHistoryConformance,
  channelManagerConformance,
  KEPT_CHANNELS,
  missingCapabilities,
  rpcTransportConformance,
  serverRegistryConformance,
  type ConformanceCase,
  type Harness,
  type MakeHarness,
} from "../../src/conformance/index.js";
import {
  RedisChannelHistory,
  RedisChannelManager,
  RedisConnection,
  RedisServerRegistry,
  RedisTransport,
  type RedisSource,
} from "../../src/redis/index.js";
import type { Awaitable } from "../../src/types.js";
import { findValkey, type FoundRedis } from "./find-redis.js";
import type { TestClient } from "./redis-clients.js";
import { startRedisCluster, type RedisCluster } from "./redis-cluster.js";
import type { RedisNode } from "./redis-node.js";
import { startSentinel, type RedisSentinel } from "./redis-sentinel.js";
import { startRedis, type RedisServer } from "./redis-server.js";

type Part<T> = new (connection: RedisConnection) => T;

/** Declares tests of Valkey, where it is installed. */
export async function onValkey(declareTests: (program: FoundRedis) => void): Promise<void> {
  const program = await findValkey();
  if (program) declareTests(program);
  else test.skip("there is no valkey-server on PATH", () => {});
}

/** A harness that can let time pass for a part whose only clock is that of the keys that expire. */
interface AgingHarness<T> extends Harness<T> {
  age: TestServers["age"];
}

/** Makes harnesses for each of the parts alike. */
export interface HarnessMaker {
  <T>(Part: Part<T>): () => Awaitable<AgingHarness<T>>;
  /** Whether clients send again what was under way when their connection broke: a message may then be kept twice. */
  resends?: true;
}

/** What the tests of one file share. */
interface TestServers {
  /** Removes all keys. */
  empty(): Promise<void>;
  /** Closes every connection of those who are under test. */
  interrupt(): Promise<void>;
  /** Brings the ends of all keys that expire nearer, as if so much time had passed. */
  age(ms: number): Promise<void>;
}

export interface TestRedis extends TestServers {
  readonly server: RedisServer;
  readonly address: { host: string; port: number };
  /** A connection that is not under test. */
  readonly admin: Redis;
}

/** Call it once, at the top. */
export function useRedis(start: () => Promise<RedisServer> = startRedis): TestRedis {
  let server: RedisServer;
  let admin: Redis;
  test.before(async () => {
    server = await start();
    admin = new Redis(server.port, server.host);
  });
  test.after.always(async () => {
    admin?.disconnect();
    await server?.stop();
  });
  return {
    get server() {
      return server;
    },
    get address() {
      return { host: server.host, port: server.port };
    },
    get admin() {
      return admin;
    },
    empty: async () => void (await admin.flushall()),
    interrupt: () => killClients((...command) => admin.call(...command)),
    age: async (ms) => {
      for (const db of DATABASES) await admin.call("EVAL", AGE, 0, ms, db);
    },
  };
}

export interface TestRedisCluster extends TestServers {
  readonly startupNodes: RedisCluster["startupNodes"];
}

/** Call it once, at the top. */
export function useRedisCluster(start: () => Promise<RedisCluster> = startRedisCluster): TestRedisCluster {
  let cluster: RedisCluster;
  test.before(async () => {
    cluster = await start();
  });
  test.after.always(() => cluster?.stop());
  return {
    get startupNodes() {
      return cluster.startupNodes;
    },
    empty: () => cluster.flushAll(),
    interrupt: () => killClientsOf(cluster.nodes),
    age: (ms) => ageKeysOf(cluster.nodes, ms),
  };
}

export interface TestSentinel extends TestServers {
  readonly sentinels: RedisSentinel["sentinels"];
  readonly name: string;
}

/** Call it once, at the top. */
export function useSentinel(start: () => Promise<RedisSentinel> = startSentinel): TestSentinel {
  let sentinel: RedisSentinel;
  test.before(async () => {
    sentinel = await start();
  });
  test.after.always(() => sentinel?.stop());
  return {
    get sentinels() {
      return sentinel.sentinels;
    },
    get name() {
      return sentinel.name;
    },
    empty: async () => void (await (await sentinel.primary()).call("FLUSHALL")),
    interrupt: () => killClientsOf(sentinel.nodes),
    age: (ms) => ageKeysOf(sentinel.nodes, ms),
  };
}

async function killClientsOf(nodes: readonly RedisNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => killClients((...command) => node.call(...command))));
}

/** Closes every connection to a server but the one that asks for it. */
async function killClients(call: (...command: [string, ...string[]]) => Promise<unknown>): Promise<void> {
  await Promise.all(["pubsub", "normal"].map((type) => call("CLIENT", "KILL", "TYPE", type)));
}

/** The databases that tests use. */
const DATABASES = [0, 3];

/** Lua. ARGV: 1 by how much (ms), 2 the number of the database */
const AGE = `
if ARGV[2] ~= '0' then redis.call('SELECT', ARGV[2]) end
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key)
  if left >= 0 then redis.call('PEXPIRE', key, math.max(0, left - ARGV[1])) end
end`;

async function ageKeysOf(nodes: readonly RedisNode[], ms: number): Promise<void> {
  for (const node of nodes) {
    const role = (await node.info("INFO", "replication")).get("role");
    if (role === "master") await node.call("EVAL", AGE, 0, ms, 0);
  }
}

/** Instances with connections of their own, as in different processes. */
export function bySource(servers: TestServers, source: () => RedisSource): HarnessMaker {
  return (Part) => () => ({
    open: () => new Part(new RedisConnection(source())),
    close: () => servers.empty(),
    interrupt: () => servers.interrupt(),
    age: (ms) => servers.age(ms),
  });
}

/** Instances on one client that the application has made. */
export function byClient(servers: TestServers, makeClient: () => TestClient): HarnessMaker {
  const make: HarnessMaker = (Part) => () => {
    const prefix = randomUUID();
    const client = makeClient();
    client.on("error", () => {});
    return {
      open: () => new Part(new RedisConnection(client, { prefix })),
      close: async () => {
        // It must still be usable: only its owner closes it.
        await client.ping();
        client.disconnect();
      },
      interrupt: () => servers.interrupt(),
      age: (ms) => servers.age(ms),
    };
  };
  return Object.assign(make, { resends: true } as const);
}

/** What a case is called that has to do with calls that were under way, without keys. */
const KEPT_ONCE = "interruption › appends that lose their connection";

class KeptHistory extends RedisChannelHistory {
  constructor(connection: RedisConnection) {
    super(connection, { channels: KEPT_CHANNELS });
  }
}

/** Declares the tests of all parts. */
export function testParts(how: string, make: HarnessMaker): void {
  const managerCases = channelManagerConformance().filter(
    (c) => missingCapabilities(c, ALL_BUT_USER_INDEX).length === 0,
  );
  declare(`manager${how}`, managerCases, make(RedisChannelManager));
  testSmallParts(how, make);
}

/** Declares those of the registry, the transport and the history, which take a fifth of the time. */
export function testSmallParts(how: string, make: HarnessMaker): void {
  declare(`registry${how}`, serverRegistryConformance(), make(RedisServerRegistry));
  declare(`transport${how}`, rpcTransportConformance(), make(RedisTransport));
  testHistory(how, make);
}

/** Declares those of the history. */
function testHistory(how: string, make: HarnessMaker): void {
  const cases = channelHistoryConformance().filter(({ name }) => !make.resends || !name.includes(KEPT_ONCE));
  declare(`history${how}`, cases, async () => {
    const harness = await make(KeptHistory)();
    return { ...harness, advance: (ms) => harness.age(ms) };
  });
}

function declare<T>(what: string, cases: ConformanceCase<T>[], make: MakeHarness<T>): void {
  // One after the other: each has connections of its own, and some watch the clock.
  for (const { name, run } of cases) test.serial(`${what}: ${name}`, (t) => t.notThrowsAsync(run(make)));
}
