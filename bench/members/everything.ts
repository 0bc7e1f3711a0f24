import { chunks } from "../../src/batches.js";
import { migrate } from "globalchannel/redis";
import type { Membership } from "../../src/types.js";
import { FILL_BATCH } from "../contenders/contender.js";
import { message, ROUTE } from "../contenders/message.js";
import { originalKey } from "../contenders/original.js";
import { expectDone } from "../support/expect-done.js";
import { applyLoad } from "../support/load.js";
import { memberAt, membersOf, STYPE } from "../support/names.js";
import { LARGE, type LargeCluster, MORTAL, OTHERS, until } from "./large-cluster.js";
import { SIDS } from "./places.js";

/** Something that the library does. */
export interface Step {
  does: string;
  run(): Promise<void>;
}

const MANY = 10_000;
const FEW = 1000;
const CHANGES_OUTSTANDING = 256;
const PUSHES_OUTSTANDING = 64;
const [FIRST_SID] = OTHERS as [string];

/**
 * Everything that the library does, in an order in which it can be done; what is taken away comes back, but for the last. It is
 * not shown how frontends restore what Redis has lost: they do what is shown here of sessions and `addMany`.
 */
export function everything(cluster: LargeCluster): Step[] {
  return [...fill(cluster), ...changes(cluster), ...reads(cluster), ...pushes(cluster), ...ends(cluster)];
}

function fill(cluster: LargeCluster): Step[] {
  return [
    step("frontends start", async () => {
      await cluster.startOthers();
      await cluster.startMortal();
    }),
    step("addMany: all memberships, 10,000 a call", async () => {
      expectDone("addMany", await cluster.add(cluster.memberships()), cluster.users.length * 2);
    }),
    step("all users connect", async () => {
      for (const sid of SIDS) await cluster.open(sid, cluster.usersAt(sid));
    }),
  ];
}

function changes(cluster: LargeCluster): Step[] {
  const { service } = cluster;
  const newcomers = newcomersOf(LARGE, MANY);
  const spread = Array.from({ length: cluster.smallChannels }, (_, index) => newcomerOf(`small-${index}`, index));
  const leaving = cluster.users.filter(({ sid }) => sid === FIRST_SID).slice(0, 100);
  const closing = cluster.users.filter(({ sid }) => sid === FIRST_SID).slice(100, 100 + FEW);
  const named = new Set([...leaving, ...closing].map(({ uid }) => uid));
  const gone = cluster.memberships(FIRST_SID).filter(({ uid }) => named.has(uid));
  return [
    step("service.on: join and leave, from here on", async () => cluster.listen()),
    step(`add: ${FEW} members of the large channel, one by one`, () =>
      repeatedly(newcomers.slice(0, FEW), 1, ({ name, uid, sid }) => service.add(name, uid, sid)),
    ),
    step(`leave: those ${FEW}`, () =>
      repeatedly(newcomers.slice(0, FEW), 1, ({ name, uid, sid }) => service.leave(name, uid, sid)),
    ),
    step(`add: ${MANY} members of the large channel, ${CHANGES_OUTSTANDING} outstanding`, () =>
      repeatedly(newcomers, CHANGES_OUTSTANDING, ({ name, uid, sid }) => service.add(name, uid, sid)),
    ),
    step(`leave: those ${MANY}`, () =>
      repeatedly(newcomers, CHANGES_OUTSTANDING, ({ name, uid, sid }) => service.leave(name, uid, sid)),
    ),
    step(`addMany: ${MANY} members of the large channel`, async () => {
      expectDone("addMany", await service.addMany(newcomers), MANY);
    }),
    step(`leaveMany: those ${MANY}`, async () => expectDone("leaveMany", await service.leaveMany(newcomers), MANY)),
    step("addMany: 1 member of each small channel", async () => {
      expectDone("addMany", await service.addMany(spread), spread.length);
    }),
    step("leaveMany: those", async () => expectDone("leaveMany", await service.leaveMany(spread), spread.length)),
    step("leaveAll: 100 users", () =>
      repeatedly(leaving, 1, async ({ uid, sid }) => expectDone("leaveAll", await service.leaveAll(uid, sid), 2)),
    ),
    step(`the last session of ${FEW} users closes`, () =>
      cluster.close(
        FIRST_SID,
        closing.map(({ uid }) => uid),
      ),
    ),
    step("all of these come back", async () => {
      await until("those without a session have left", async () => {
        const left = await service.count(LARGE);
        return left === cluster.users.length - named.size;
      });
      await cluster.open(
        FIRST_SID,
        closing.map(({ uid }) => uid),
      );
      expectDone("addMany", await cluster.add(gone), named.size * 2);
    }),
  ];
}

function reads(cluster: LargeCluster): Step[] {
  const { service, users } = cluster;
  const some = users.filter((_, index) => index % Math.floor(users.length / 100) === 0);
  const list = (limit: number) => async (): Promise<void> => {
    const uids = new Set<string>();
    let cursor: string | undefined;
    do {
      const page = await service.listMembers(LARGE, { limit, ...(cursor && { cursor }) });
      for (const { uid } of page.members) uids.add(uid);
      cursor = page.cursor;
    } while (cursor !== undefined);
    expectDone("listMembers", uids.size, users.length);
  };
  return [
    step("count: the large channel", async () => expectDone("count", await service.count(LARGE), users.length)),
    step("isMember", () =>
      repeatedly(some, 1, async ({ uid }) => expectDone(uid, await service.isMember(LARGE, uid), 1)),
    ),
    step("getSids", () =>
      repeatedly(some, 1, async ({ uid }) => {
        const sids = await service.getSids(uid);
        expectDone("getSids", sids.length, 1);
      }),
    ),
    step("getChannels", () =>
      repeatedly(some, 1, async ({ uid }) => {
        const channels = await service.getChannels(uid);
        expectDone("getChannels", channels.length, 2);
      }),
    ),
    step("listMembers: the large channel, 100 a page", list(100)),
    step("listMembers: the large channel, 10,000 a page", list(10_000)),
    step("getMembersByChannelName: the large channel", async () => {
      const uids = await service.getMembersByChannelName(STYPE, LARGE);
      expectDone("getMembersByChannelName", uids.length, users.length);
    }),
    step("getMembersBySid: the large channel", async () => {
      const uids = await service.getMembersBySid(LARGE, FIRST_SID);
      expectDone("getMembersBySid", uids.length, users.length / SIDS.length);
    }),
  ];
}

function pushes(cluster: LargeCluster): Step[] {
  const { service, namingService, users } = cluster;
  const push = async (to: string | readonly string[], members: number, by = service): Promise<void> => {
    const { delivered } = await by.pushMessage(STYPE, ROUTE, message(1), to);
    expectDone("pushMessage", delivered, members);
  };
  const small = Array.from({ length: FEW }, (_, index) => `small-${index}`);
  const medium = newcomersOf("medium", MANY);
  const some = users.slice(0, MANY).map(({ uid }) => uid);
  return [
    step(`pushMessage: ${FEW} to the large channel, ${PUSHES_OUTSTANDING} outstanding`, () =>
      repeatedly(small, PUSHES_OUTSTANDING, () => push(LARGE, users.length)),
    ),
    step(`pushMessage: 1 to each of ${FEW} small channels, ${CHANGES_OUTSTANDING} outstanding`, () =>
      repeatedly(small, CHANGES_OUTSTANDING, (name) => push(name, 100)),
    ),
    step("pushMessage: 1 to 100 small channels", () => push(small.slice(0, 100), 100 * 100)),
    step(`pushMessage: 1 to ${FEW} small channels`, () => push(small, FEW * 100)),
    step("pushMessage: 1 to the large channel, on a transport that names uids", () =>
      push(LARGE, users.length, namingService),
    ),
    step(`addMany: a channel of ${MANY}`, async () => expectDone("addMany", await service.addMany(medium), MANY)),
    step(`pushMessage: 1 to the channel of ${MANY}, on a transport that names uids`, () =>
      push("medium", MANY, namingService),
    ),
    step(`destroyChannel: that of ${MANY}`, async () => {
      expectDone("destroyChannel", await service.destroyChannel("medium"), MANY);
    }),
    step(`pushToUsers: ${MANY}`, async () => {
      const { delivered } = await service.pushToUsers(STYPE, ROUTE, message(1), some);
      expectDone("pushToUsers", delivered, MANY);
    }),
    step("broadcast", async () => {
      const { delivered } = await service.broadcast(STYPE, ROUTE, message(1));
      expectDone("broadcast", delivered, users.length);
    }),
  ];
}

function ends(cluster: LargeCluster): Step[] {
  const { service, users } = cluster;
  const members = users.length / SIDS.length;
  const comeBack = step("its users and members come back", async () => {
    await cluster.open(MORTAL, cluster.usersAt(MORTAL));
    expectDone("addMany", await cluster.add(cluster.memberships(MORTAL)), members * 2);
  });
  return [
    step(`a frontend of ${members * 2} memberships dies, a service cleans up`, async () => {
      await cluster.killMortal();
      await cluster.mortalForgotten();
      expectDone("count", await service.count(LARGE), users.length - members);
    }),
    step("a frontend starts", () => cluster.startMortal()),
    comeBack,
    step(`a frontend starts where one of ${members * 2} memberships has died`, async () => {
      await cluster.killMortal();
      await cluster.startMortal();
      expectDone("count", await service.count(LARGE), users.length - members);
    }),
    comeBack,
    step(`a frontend of ${members * 2} memberships stops`, async () => {
      await cluster.stopMortal();
      expectDone("count", await service.count(LARGE), users.length - members);
    }),
    step("a frontend starts again", () => cluster.startMortal()),
    comeBack,
    step(`migrate: an old channel of ${MANY * 10}`, () => migrateOld(cluster)),
    step("destroyChannel: the large channel", async () => {
      expectDone("destroyChannel", await service.destroyChannel(LARGE), users.length);
    }),
    step("manager.clean", async () => {
      await cluster.cluster.manager.clean?.();
    }),
  ];
}

/** Copies a channel that the original has filled. */
async function migrateOld({ client, redis }: LargeCluster): Promise<void> {
  const uids = membersOf(MANY * 10, [FIRST_SID]).map(({ uid }) => uid);
  for (const batch of chunks(uids, FILL_BATCH / 10)) await client.sadd(originalKey("old", FIRST_SID), ...batch);
  const { added } = await migrate({ redis: redis.url, from: "POMELO:CHANNEL" });
  expectDone("migrate", added, uids.length);
}

function step(does: string, run: () => Promise<void>): Step {
  return { does: does.replace(/\d{4,}/g, (digits) => Number(digits).toLocaleString("en-US")), run };
}

/** One call for each item, so many at a time. */
async function repeatedly<T>(items: readonly T[], window: number, call: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  await applyLoad(() => call(items[next++]!), { window, durationMs: Infinity, maxCalls: items.length });
}

function newcomersOf(name: string, count: number): Membership[] {
  return Array.from({ length: count }, (_, index) => newcomerOf(name, index));
}

/** One who is in no channel yet. */
function newcomerOf(name: string, index: number): Membership {
  const { uid, sid } = memberAt(index, SIDS);
  return { name, uid: `new-${uid}`, sid };
}
