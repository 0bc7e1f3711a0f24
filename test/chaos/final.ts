import { setTimeout as sleep } from "node:timers/promises";

import type { Redis } from "ioredis";

import { monotonicMs } from "../support/monotonic.js";
import type { ChaosCluster } from "./cluster.js";
import type { History, Push, Reading } from "./history.js";
import { command } from "./nemesis.js";
import { namesOf, uidsOf } from "./plan.js";
import type { Settings } from "./settings.js";

/** How long what the last pushes bring about may take. */
const REPAIR_MS = 500;

const NOTHING: History["final"] = { before: [], after: [], pushes: [], sids: new Map(), leftovers: [] };

type Collected = Pick<History, "final" | "seen" | "edges"> & { callbacks: Map<number, number> };

/** Looks at what is left when all is well again: who is a member, what is in Redis, and what the backends have seen. */
export async function readFinal(cluster: ChaosCluster, settings: Settings, pushCount: number): Promise<Collected> {
  const backends = cluster.liveBackends;
  const [first] = backends;
  // They ended by themselves, which is found.
  if (!first) return { final: NOTHING, seen: [], edges: [], callbacks: new Map() };
  const readAll = async (): Promise<Reading[]> => {
    const readings = backends.flatMap(({ process, life }) =>
      namesOf(settings).map(async (name) => {
        const start = monotonicMs();
        const members = (await process.call("members", name)) ?? [];
        return { backend: life.id, name, start, end: monotonicMs(), members };
      }),
    );
    return Promise.all(readings);
  };

  const before = await readAll();
  const pushes = await Promise.all(
    namesOf(settings).map(async (name, index): Promise<Push> => {
      const id = pushCount + 1 + index;
      const start = monotonicMs();
      const audience = { names: [name] };
      const outcome = await first.process.call("push", id, audience, []);
      return { id, backend: first.life.id, audience, except: [], start, end: monotonicMs(), outcome };
    }),
  );
  await sleep(REPAIR_MS);
  const after = await readAll();
  const sids = new Map<string, readonly string[]>();
  for (const uid of uidsOf(settings)) sids.set(uid, await first.process.call("sids", uid));

  const seen: History["seen"] = [];
  const edges: History["edges"] = [];
  const callbacks = new Map<number, number>();
  for (const { process, life } of backends) {
    const collected = await process.call("collect");
    for (const event of collected.seen) seen.push({ ...event, backend: life.id });
    for (const edge of collected.edges) edges.push({ ...edge, backend: life.id });
    for (const [id, count] of collected.callbacks) callbacks.set(id, count);
    life.heapBytes = collected.heapBytes;
  }
  for (const push of pushes) push.callbacks = callbacks.get(push.id);

  const live = new Set(cluster.liveFrontends.map(({ life }) => life.sid));
  const dead = [...new Set(cluster.lives.flatMap(({ sid }) => sid ?? []))].filter((sid) => !live.has(sid));
  const leftovers = await command(cluster.redis.url, (client) => findMentions(client, dead));
  return { final: { before, after, pushes, sids, leftovers }, seen, edges, callbacks };
}

/** Every key of Redis that has one of the words in its name or among what it holds, with that. */
async function findMentions(client: Redis, words: readonly string[]): Promise<string[]> {
  if (words.length === 0) return [];
  const pattern = new RegExp(`(?<!\\w)(${words.join("|")})(?!\\w)`);
  const found: string[] = [];
  for await (const keys of client.scanStream() as AsyncIterable<string[]>) {
    for (const key of keys) {
      // What ends by itself is no leftover.
      if ((await client.ttl(key)) >= 0) continue;
      const mentions = [key, ...(await contentOf(client, key))].filter((text) => pattern.test(text));
      if (mentions.length > 0) found.push(`${key}: ${mentions.join(", ")}`);
    }
  }
  return found;
}

/** The names and texts that a key holds. */
async function contentOf(client: Redis, key: string): Promise<string[]> {
  switch (await client.type(key)) {
    case "hash":
      return client.hkeys(key);
    case "set":
      return client.smembers(key);
    case "zset":
      return client.zrange(key, 0, "-1");
    case "list":
      return client.lrange(key, 0, -1);
    case "string":
      return [(await client.get(key)) ?? ""];
    default:
      return [];
  }
}
