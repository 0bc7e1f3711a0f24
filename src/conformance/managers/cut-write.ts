import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { isGlobalChannelError } from "../../errors.js";
import type { Awaitable, ChannelManager, ManagerCapabilities, Membership } from "../../types.js";
import { assertSameItems, eventually, numbered } from "../expect.js";
import { Follower } from "./follower.js";
import type { ManagerWith } from "./manager-case.js";
import { readWhole } from "./whole.js";

/** How long after a write has begun it is cut, in milliseconds: at once, in the middle, and perhaps when it is over. */
const CUT_AFTER_MS = [0, 3, 12];
/** How long a call that was cut may take until it settles: longer than it takes to find out that nobody answers. */
const SETTLE_MS = 10_000;
/** In how many parts each write is made, all at the same time, so that some are cut and others are not. */
const PARTS = 3;
/** How many members each part has: a write of so many takes a store several steps. Of those that are written one by one fewer do. */
const [LARGE_PART, SMALL_PART] = [2_000, 100];

/** One call, or several, of which each is done or not. */
interface Write {
  does: string;
  requires: readonly (keyof ManagerCapabilities)[];
  /** Whether those concerned are members afterwards, and were none before; or the other way round. */
  adds: boolean;
  /** Whether each member takes a call of its own. */
  oneByOne?: true;
  /** Makes the write for these members of one channel at one frontend; each result tells of the members given with it. */
  calls(manager: ChannelManager, members: readonly Membership[]): Call[];
}

interface Call {
  of: readonly Membership[];
  result: Promise<unknown>;
}

/** Makes a call; what it throws at once rejects too. */
const one = async (call: () => Awaitable<unknown>) => call();
const single = (members: readonly Membership[], call: () => Awaitable<unknown>): Call[] => [
  { of: members, result: one(call) },
];
const each = (members: readonly Membership[], call: (member: Membership) => Awaitable<unknown>): Call[] =>
  members.map((member) => ({ of: [member], result: one(() => call(member)) }));

export const CUT_WRITES: readonly Write[] = [
  {
    does: "addMany",
    requires: ["bulk"],
    adds: true,
    calls: (manager, members) => single(members, () => manager.addMany?.(members)),
  },
  {
    does: "leaveMany",
    requires: ["bulk"],
    adds: false,
    calls: (manager, members) => single(members, () => manager.leaveMany?.(members)),
  },
  {
    does: "destroyChannel",
    requires: [],
    adds: false,
    calls: (manager, members) => single(members, () => manager.destroyChannel(members[0]!.name)),
  },
  {
    does: "evict",
    requires: ["eviction"],
    adds: false,
    calls: (manager, members) =>
      single(members, () => manager.evict?.({ sid: members[0]!.sid, incarnation: "i1" }, "server-down")),
  },
  {
    does: "add",
    requires: [],
    adds: true,
    oneByOne: true,
    calls: (manager, members) => each(members, ({ name, uid, sid }) => manager.add(name, uid, sid)),
  },
  {
    does: "leave",
    requires: [],
    adds: false,
    oneByOne: true,
    calls: (manager, members) => each(members, ({ name, uid, sid }) => manager.leave(name, uid, sid)),
  },
];

/**
 * Begins a write, cuts it in the middle, and follows it to its end: every call settles, the store is whole, what was
 * acknowledged is done, the same write again completes it, and who watches knows the members in the end. Several rounds, each
 * cut at another moment, in channels and at frontends of its own.
 *
 * @param open gives another instance on the same store
 * @param cut breaks what `writer` is doing
 */
export async function followCutWrite<M extends ChannelManager>(
  write: Write,
  open: () => Promise<M>,
  cut: (writer: M) => Promise<void>,
): Promise<void> {
  for (const [round, afterMs] of CUT_AFTER_MS.entries()) {
    const [onlooker, writer] = [await open(), await open()];
    const isLarge = onlooker.capabilities?.bulk === true && !write.oneByOne;
    const parts = partsOf(round, isLarge ? LARGE_PART : SMALL_PART);
    const followers = await follow(onlooker, parts);
    if (!write.adds) await fill(onlooker, parts.flat());

    const calls = parts.flatMap((members) => write.calls(writer, members));
    const settled = Promise.allSettled(calls.map(({ result }) => result));
    await sleep(afterMs);
    await Promise.all([cut(writer), assertSettles(settled)]);

    // Whoever is the store itself was stopped together with it.
    const reader = await open();
    const results = await settled;
    const acknowledged = calls.filter((_, index) => results[index]?.status === "fulfilled").flatMap(({ of }) => of);
    assertFailures(results);
    await eventually(async () => assertDone(reader, write, parts, acknowledged));
    await eventually(async () => {
      await Promise.all(parts.flatMap((members) => write.calls(reader, members)).map(({ result }) => result));
    });
    await eventually(async () => assertDone(reader, write, parts, parts.flat()));
    if (reader === writer || reader.capabilities?.versions !== true) continue;
    for (const [index, follower] of followers.entries()) await assertKnows(follower, reader, parts[index]![0]!);
  }
}

/** Members of a channel and a frontend of each part's own. */
function partsOf(round: number, size: number): Membership[][] {
  return numbered(`${round}.`, PARTS).map((part) =>
    numbered("u", size).map((uid) => ({ name: `room${part}`, uid, sid: `s${part}` })),
  );
}

/** Begins to follow the set of each part, where the manager tells of changes. */
async function follow(manager: ChannelManager, parts: readonly Membership[][]): Promise<Follower[]> {
  if (!manager.capabilities?.versions) return [];
  return Promise.all(
    parts.map(async ([member]) => {
      const follower = new Follower(member!.sid);
      await eventually(async () => void (await manager.watch?.(member!.sid, follower)));
      return follower;
    }),
  );
}

async function fill(manager: ChannelManager, members: readonly Membership[]): Promise<void> {
  await eventually(async () => {
    if (manager.capabilities?.bulk) await manager.addMany?.(members);
    else await Promise.all(members.map(({ name, uid, sid }) => manager.add(name, uid, sid)));
  });
}

async function assertSettles(settled: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(resolve, SETTLE_MS, "late");
  });
  assert.notEqual(await Promise.race([settled, late]), "late", `a call has not settled after ${SETTLE_MS} ms`);
  clearTimeout(timer);
}

/** Whoever is told that it failed is told so as of every failure. */
function assertFailures(results: readonly PromiseSettledResult<unknown>[]): void {
  for (const result of results) {
    if (result.status === "fulfilled") continue;
    assert.ok(isGlobalChannelError(result.reason), `it failed with ${String(result.reason)}`);
  }
}

/** The store is whole, and the write is done for `done` at least. */
async function assertDone(
  manager: ChannelManager,
  { adds }: Write,
  parts: readonly Membership[][],
  done: readonly Membership[],
): Promise<void> {
  const [names, sids] = [parts.map(([member]) => member!.name), parts.map(([member]) => member!.sid)];
  const whole = await readWhole(manager, names, sids);
  const members = new Set(
    [...whole].flatMap(([name, bySid]) =>
      [...bySid].flatMap(([sid, uids]) => uids.map((uid) => key({ name, uid, sid }))),
    ),
  );
  assertSameItems(
    done.filter((member) => members.has(key(member)) !== adds),
    [],
    "was acknowledged, but is not done",
  );
  const concerned = new Set(parts.flat().map(key));
  assertSameItems(
    [...members].filter((member) => !concerned.has(member)),
    [],
    "nobody added them",
  );
}

async function assertKnows(follower: Follower, manager: ChannelManager, { name, sid }: Membership): Promise<void> {
  await eventually(async () => {
    const versioned = manager as ManagerWith<"versions">;
    const copy = await follower.read(versioned, name);
    const { version, uids } = await versioned.readMemberSet(name, sid);
    assert.equal(copy.version, version, "the version that a watcher knows");
    assertSameItems([...copy.uids], uids, "the members that a watcher knows");
  });
}

const key = ({ name, uid, sid }: Membership) => JSON.stringify([name, uid, sid]);
