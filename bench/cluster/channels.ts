import type { Membership } from "../contenders/contender.js";
import { memberAt, membersOf } from "../support/names.js";

/** Channels of the same size. */
export interface Channels {
  /** What their names begin with. */
  prefix: string;
  /** How many. */
  count: number;
  /** In each. */
  members: number;
}

/** One, whose name no channel of another size has: a cluster may be filled with several. */
export function oneChannel(members: number): Channels {
  return { prefix: `room-${members}`, count: 1, members };
}

export function channelName({ prefix }: Channels, index: number): string {
  return `${prefix}-${index}`;
}

/** Who is in them: each user in one of them, the users of each in turn at each of the frontends. */
export function channelMembers(channels: Channels, sids: readonly string[]): Membership[] {
  const { count, members } = channels;
  return membersOf(count * members, sids).map((member, index) => ({
    ...member,
    name: channelName(channels, Math.floor(index / members)),
  }));
}

/** The user whom {@link channelMembers} puts at this place of this channel, the first of each being 0. */
export function userAt(
  { count, members }: Channels,
  channel: number,
  place: number,
  sids: readonly string[],
): Omit<Membership, "name"> {
  return memberAt((channel % count) * members + place, sids);
}
