import type { Awaitable, ChannelManager, Membership } from "../../src/types.js";
import { expectDone } from "../support/expect-done.js";
import { manyOf, placeOf } from "../support/memberships.js";
import type { Contender } from "./contender.js";
import { SIDS } from "./sids.js";

/** Something that is asked of a manager, again and again. */
interface Operation {
  /** Contenders that lack it are left out. */
  needs: keyof ChannelManager;
  /** How many members, or member sets, one call is about. */
  members: number;
  /** @param index which one it is, from 0. Rejects unless it did what it should have done. */
  call(contender: Contender, index: number): Promise<void>;
}

const MANY = 10_000;
const CHANNELS = 2000;
const [SID] = SIDS as [string];
/** What is read stays as it is. */
const READ = { small: 1000, large: 25_000, spread: 4000 };
const INCARNATION = "1";
const PAGE = 1000;

const channelOf = (index: number): Membership[] => manyOf(`large-${index}`, 1, MANY, SIDS);
const evictedOf = (index: number): Membership[] => manyOf(`evicted-${index}`, 100, MANY / 100, [evictedSid(index)]);
const singlesOf = (index: number): Membership[] => manyOf(`single-${index}`, CHANNELS, 1, SIDS);

export const OPERATIONS = {
  add: operation("add", 1, (contender, index) => {
    const { name, uid, sid } = placeOf(index, SIDS);
    return contender.add!(name, uid, sid);
  }),
  leave: operation("leave", 1, (contender, index) => {
    const { name, uid, sid } = placeOf(index, SIDS);
    return contender.leave!(name, uid, sid);
  }),
  connect: operation("connect", 1, (contender, index) =>
    contender.connect!(`user-${index}`, SIDS[index % SIDS.length]!, INCARNATION),
  ),
  disconnect: operation("disconnect", 1, (contender, index) =>
    contender.disconnect!(`user-${index}`, SIDS[index % SIDS.length]!, INCARNATION),
  ),
  "addMany: 1 channel of 10,000": operation("addMany", MANY, (contender, index) =>
    contender.addMany!(channelOf(index)),
  ),
  "leaveMany: all of them": operation("leaveMany", MANY, (contender, index) => contender.leaveMany!(channelOf(index))),
  "destroyChannel: one of 10,000": operation("destroyChannel", MANY, (contender, index) =>
    contender.destroyChannel!(channelOf(index)[0]!.name),
  ),
  "addMany: 100 channels of 100 at 1 frontend": operation("addMany", MANY, (contender, index) =>
    contender.addMany!(evictedOf(index)),
  ),
  "evict: that frontend": operation("evict", MANY, (contender, index) =>
    contender.evict!({ sid: evictedSid(index), incarnation: INCARNATION }, "server-down"),
  ),
  "addMany: 2,000 channels of 1": operation("addMany", CHANNELS, (contender, index) =>
    contender.addMany!(singlesOf(index)),
  ),
  "leaveMany: those 2,000": operation("leaveMany", CHANNELS, (contender, index) =>
    contender.leaveMany!(singlesOf(index)),
  ),
  "getMembersBySid: 1,000": operation("getMembersBySid", READ.small, async (contender) => {
    const uids = await contender.getMembersBySid!("small-0", SID);
    return uids.length;
  }),
  "getMembersBySid: 25,000": operation("getMembersBySid", READ.large, async (contender) => {
    const uids = await contender.getMembersBySid!("large-0", SID);
    return uids.length;
  }),
  "getMemberSets: 4 frontends": operation("getMemberSets", SIDS.length, async (contender) => {
    const sets = await contender.getMemberSets!("spread-0");
    return sets.length;
  }),
  "findMember: 1 of 4,000": operation("findMember", 1, async (contender, index) => {
    const { uid } = manyOf("spread", 1, READ.spread, SIDS)[index % READ.spread]!;
    const sids = await contender.findMember!("spread-0", uid);
    return sids.length;
  }),
  "scanMembers: all of 25,000, 1,000 a page": operation("scanMembers", READ.large, async (contender) => {
    let found = 0;
    let cursor = "";
    do {
      const page = await contender.scanMembers!("large-0", SID, cursor, PAGE);
      found += page.uids.length;
      ({ cursor } = page);
    } while (cursor !== "");
    // A member may be on two pages.
    return Math.min(found, READ.large);
  }),
} as const satisfies Record<string, Operation>;

export type OperationName = keyof typeof OPERATIONS;

/** Puts in what the reads are to find. */
export async function fill(contender: Contender): Promise<void> {
  for (const memberships of [
    manyOf("small", 1, READ.small, [SID]),
    manyOf("large", 1, READ.large, [SID]),
    manyOf("spread", 1, READ.spread, SIDS),
  ]) {
    await contender.addMany!(memberships);
  }
}

function evictedSid(index: number): string {
  return `evicted-${index}`;
}

/** @param call resolves how many members it was about; or true, or nothing where it is told nothing */
function operation(
  needs: keyof ChannelManager,
  members: number,
  call: (contender: Contender, index: number) => Awaitable<number | boolean | void>,
): Operation {
  return {
    needs,
    members,
    async call(contender, index) {
      expectDone(needs, await call(contender, index), members);
    },
  };
}
