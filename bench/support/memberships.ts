import type { Membership } from "../../src/types.js";
import { membersOf } from "./names.js";

/** Members of a channel that is filled one after the other, over all frontends. */
const MEMBERS_PER_CHANNEL = 100;

/** The memberships that are made and ended one by one: each another one. */
export function placeOf(index: number, sids: readonly string[]): Membership {
  return {
    name: `room-${Math.floor(index / MEMBERS_PER_CHANNEL)}`,
    uid: `user-${1_000_000 + (index % MEMBERS_PER_CHANNEL)}`,
    sid: sids[index % sids.length]!,
  };
}

const lists = new Map<string, Membership[]>();

/** The members of `channels` channels, `members` in each. Made once: making them is not to be measured. */
export function manyOf(prefix: string, channels: number, members: number, sids: readonly string[]): Membership[] {
  const known = lists.get(prefix);
  if (known) return known;
  const users = membersOf(channels * members, sids);
  const many = users.map((user, index) => ({ ...user, name: `${prefix}-${Math.floor(index / members)}` }));
  lists.set(prefix, many);
  return many;
}
