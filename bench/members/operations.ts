import { chunks } from "../../src/batches.js";
import { FILL_BATCH } from "../contenders/contender.js";
import { expectDone } from "../support/expect-done.js";
import { manyOf, placeOf } from "../support/memberships.js";
import type { Contender } from "./contender.js";
import { membershipsOfUser, SIDS, USERS_SID } from "./places.js";

const MANY = 10_000;
/** What is read stays as it is. */
const COUNTED = 100_000;
const LISTED = 1000;
/** In each of the channels that the users join, without them. */
const OTHERS = 100;

const channelOf = (index: number) => manyOf(`large-${index}`, 1, MANY, SIDS);

type Call = (contender: Contender, index: number) => Promise<number | boolean | void>;

/** What is asked of the contenders, again and again: how many members one call is about, and the call. */
const CALLS = {
  add: [1, (contender, index) => contender.add(...placeAt(index))],
  leave: [1, (contender, index) => contender.leave(...placeAt(index))],
  "addMany: 10,000 members of 1 channel": [MANY, (contender, index) => contender.addMany(channelOf(index))],
  "destroyChannel: one of 10,000": [MANY, (contender, index) => contender.destroyChannel(channelOf(index)[0]!.name)],
  "addMany: 1 user joins 50 channels": [50, (contender, index) => contender.addMany(membershipsOfUser(index))],
  "leaveAll: 1 user of 50 channels": [
    50,
    (contender, index) => {
      const memberships = membershipsOfUser(index);
      return contender.leaveAll(memberships[0]!.uid, USERS_SID, memberships);
    },
  ],
  "count: 100,000 members": [COUNTED, (contender) => contender.count("counted-0")],
  "getMembersBySid: 1,000 members": [
    LISTED,
    async (contender) => {
      const uids = await contender.getMembersBySid("listed-0", USERS_SID);
      return uids.length;
    },
  ],
} as const satisfies Record<string, readonly [members: number, call: Call]>;

export type OperationName = keyof typeof CALLS;

/** @param index which one it is, from 0. Rejects unless it did what it should have done */
export async function call(operation: OperationName, contender: Contender, index: number): Promise<void> {
  const [members, callIt] = CALLS[operation];
  expectDone(operation, await callIt(contender, index), members);
}

/** Puts in what the reads are to find, and who else is in the channels that users join. */
export async function fill(contender: Contender): Promise<void> {
  for (const memberships of [
    manyOf("counted", 1, COUNTED, SIDS),
    manyOf("listed", 1, LISTED, [USERS_SID]),
    manyOf("joined", membershipsOfUser(0).length, OTHERS, SIDS),
  ]) {
    for (const batch of chunks(memberships, FILL_BATCH)) await contender.addMany(batch);
  }
}

function placeAt(index: number): [name: string, uid: string, sid: string] {
  const { name, uid, sid } = placeOf(index, SIDS);
  return [name, uid, sid];
}
