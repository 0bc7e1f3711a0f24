import { Redis } from "ioredis";
import { chunks } from "../../src/batches.js";
import { GlobalChannelService } from "globalchannel";
import { groupBySet } from "../../src/member-sets.js";
import { redis as redisCluster } from "globalchannel/redis";
import type { Membership } from "../../src/types.js";
import type { Part } from "../support/bench.js";
import type { Chart } from "../support/chart.js";
import { membersOf } from "../support/names.js";
import { progress } from "../support/progress.js";
import { startRedisStore } from "../support/redis-store.js";
import type { Claim } from "../support/claims.js";
import { inScope } from "../support/scope.js";
import { format, measured, round } from "../support/statistics.js";
import { markdownTable } from "../support/table.js";
import { FILL_BATCH } from "../contenders/contender.js";
import { originalKey } from "../contenders/original.js";
import { SIDS } from "./places.js";

/** Fills one Redis in the layout of this library and, flushed, in the original's. */
export const memory: Part<MemoryResult[]> = { slow: false, measure, tables, claims, charts };

interface Shape {
  channels: number;
  /** In each channel. */
  members: number;
}

const FULL: readonly Shape[] = [
  { channels: 1, members: 1_000_000 },
  { channels: 10_000, members: 100 },
];
const QUICK: readonly Shape[] = [
  { channels: 1, members: 200_000 },
  { channels: 2000, members: 100 },
];

/** What memberships cost in Redis, in bytes of `used_memory`. */
export interface MemoryResult extends Shape {
  memberships: number;
  globalchannelBytes: number;
  originalBytes: number;
  ratio: number;
}

function measure(quick: boolean): Promise<MemoryResult[]> {
  return inScope(async (scope) => {
    const { url } = await startRedisStore(scope);
    const client = new Redis(url);
    scope.defer(() => client.disconnect());
    const service = new GlobalChannelService({ cluster: redisCluster(url), reapIntervalMs: 600_000 });
    await service.start();
    scope.defer(() => service.stop(true));

    const addOurs = (batch: readonly Membership[]): Promise<unknown> => service.addMany(batch);
    const addOriginal = (batch: readonly Membership[]): Promise<unknown> => addPlain(client, batch);
    // Neither what connections nor what scripts need is a membership's.
    for (const add of [addOurs, addOriginal]) await usedBy(client, { channels: 1, members: 1000 }, add);

    const results: MemoryResult[] = [];
    for (const shape of quick ? QUICK : FULL) {
      progress(`memory: ${shape.channels} channels of ${shape.members} members`);
      const globalchannelBytes = await usedBy(client, shape, addOurs);
      const originalBytes = await usedBy(client, shape, addOriginal);
      results.push({
        ...shape,
        memberships: shape.channels * shape.members,
        globalchannelBytes,
        originalBytes,
        ratio: round(globalchannelBytes / originalBytes),
      });
    }
    return results;
  });
}

async function usedBy(
  client: Redis,
  shape: Shape,
  add: (batch: readonly Membership[]) => Promise<unknown>,
): Promise<number> {
  await client.flushall("SYNC");
  const before = await usedMemory(client);
  for (const batch of batchesOf(shape)) await add(batch);
  const bytes = (await usedMemory(client)) - before;
  await client.flushall("SYNC");
  return bytes;
}

async function usedMemory(client: Redis): Promise<number> {
  return Number(/^used_memory:(\d+)/m.exec(await client.info("memory"))?.[1]);
}

function* batchesOf({ channels, members }: Shape): Generator<Membership[]> {
  if (channels === 1) {
    const batches = chunks(membersOf(members, SIDS), FILL_BATCH);
    for (const batch of batches) yield batch.map((member) => ({ ...member, name: "room-1" }));
    return;
  }
  const users = membersOf(channels * members, SIDS);
  const size = members * 100;
  for (const [part, some] of chunks(users, size).entries()) {
    yield some.map((user, index) => ({ ...user, name: `room-${Math.floor((part * size + index) / members)}` }));
  }
}

async function addPlain(client: Redis, batch: readonly Membership[]): Promise<void> {
  await Promise.all(groupBySet(batch).map(({ name, sid, uids }) => client.sadd(originalKey(name, sid), ...uids)));
}

function tables(results: readonly MemoryResult[]): string[] {
  return [
    markdownTable(
      "memory: bytes of Redis (`used_memory`) for each membership, over 10 frontends",
      ["memberships", "channels", "members in each", "globalchannel", "original", "ratio"],
      results.map(({ memberships, channels, members, globalchannelBytes, originalBytes, ratio }) => [
        format(memberships),
        format(channels),
        format(members),
        format(globalchannelBytes / memberships),
        format(originalBytes / memberships),
        format(ratio),
      ]),
    ),
  ];
}

function charts(results: readonly MemoryResult[]): Chart[] {
  return [
    {
      kind: "bars",
      title: "Redis memory, members over 10 frontends",
      unit: "bytes/membership",
      bars: results.flatMap(({ memberships, channels, globalchannelBytes, originalBytes }) => {
        const group = `${format(memberships)} memberships in ${channelsText(channels)}`;
        return [
          { group, contender: "globalchannel", value: measured([globalchannelBytes / memberships]) },
          { group, contender: "original", value: measured([originalBytes / memberships]) },
        ];
      }),
    },
  ];
}

function claims(results: readonly MemoryResult[]): Claim[] {
  return results.map(({ channels, memberships, ratio }) => ({
    claim: `times the original's Redis memory, ${format(memberships)} memberships in ${channelsText(channels)}`,
    atMost: 1.3,
    measured: ratio,
  }));
}

function channelsText(channels: number): string {
  return channels === 1 ? "1 channel" : `${format(channels)} channels`;
}
