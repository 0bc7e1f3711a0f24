import type { Membership } from "./types.js";

/** Members of one channel at one frontend. */
export interface MemberSetUids {
  name: string;
  sid: string;
  uids: string[];
}

/** Groups memberships by the member set that they belong to. */
export function groupBySet(memberships: readonly Membership[]): MemberSetUids[] {
  const bySid = new Map<string, Map<string, MemberSetUids>>();
  for (const { name, uid, sid } of memberships) {
    let byName = bySid.get(sid);
    if (!byName) bySid.set(sid, (byName = new Map()));
    let set = byName.get(name);
    if (!set) byName.set(name, (set = { name, sid, uids: [] }));
    set.uids.push(uid);
  }
  return [...bySid.values()].flatMap((byName) => [...byName.values()]);
}

/** Tells a member set from all others. */
export function setKey(name: string, sid: string): string {
  // The length tells where the name ends, whatever is in it.
  return `${name.length}:${name}${sid}`;
}
