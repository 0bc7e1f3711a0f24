import type { GlobalChannelService, Membership } from "globalchannel";
import { channelName } from "../cluster/channels.js";
import { expectDone } from "../support/expect-done.js";
import { memberAt } from "../support/names.js";
import { CHANNELS, SIDS } from "./places.js";

/** In one call, each of another channel. */
const MANY = 1000;

export const MANY_AT_ONCE = ["addMany: 1,000 channels", "leaveMany: from those"] as const;

type Call = (service: GlobalChannelService, index: number) => Promise<number | boolean>;

/** What is asked of the service, again and again: how many members one call is about, and the call. */
const CALLS = {
  add: [1, (service, index) => service.add(...placeOf(index))],
  leave: [1, (service, index) => service.leave(...placeOf(index))],
  [MANY_AT_ONCE[0]]: [MANY, (service, index) => service.addMany(manyOf(index))],
  [MANY_AT_ONCE[1]]: [MANY, (service, index) => service.leaveMany(manyOf(index))],
} as const satisfies Record<string, readonly [members: number, call: Call]>;

export type OperationName = keyof typeof CALLS;

/** @param index which one it is, from 0. Rejects unless it did what it should have done */
export async function call(operation: OperationName, service: GlobalChannelService, index: number): Promise<void> {
  const [members, callIt] = CALLS[operation];
  expectDone(operation, await callIt(service, index), members);
}

/** Who comes and goes one by one: one user after the other, in one channel after the other. */
function placeOf(index: number): [name: string, uid: string, sid: string] {
  const { uid, sid } = memberAt(index, SIDS);
  return [channelName(CHANNELS, index % CHANNELS.count), `new-${uid}`, sid];
}

const lists = new Map<number, Membership[]>();

/** Who comes and goes together. Made once: making them is not to be measured. */
function manyOf(index: number): Membership[] {
  let list = lists.get(index);
  if (!list) {
    list = Array.from({ length: MANY }, (_, place) => {
      const [name, uid, sid] = placeOf(index * MANY + place);
      return { name, uid, sid };
    });
    lists.set(index, list);
  }
  return list;
}
