import type { Membership } from "../../src/types.js";
import { sidsOf } from "../support/names.js";

export const SIDS = sidsOf(10);

/** Where the users are connected who join and leave many channels. */
export const [USERS_SID] = SIDS as [string];
export const USERS = Array.from({ length: 500 }, (_, index) => `joiner-${index}`);
const CHANNELS_PER_USER = 50;

/** All memberships of one of the {@link USERS}. */
const memberships = USERS.map((uid) =>
  Array.from({ length: CHANNELS_PER_USER }, (_, index): Membership => ({
    name: `joined-${index}`,
    uid,
    sid: USERS_SID,
  })),
);

export function membershipsOfUser(index: number): Membership[] {
  return memberships[index]!;
}
