import type { Membership, MemberSetChange } from "./types.js";

/** Members of one channel at one frontend. */
export interface MemberSetUids {
  name: string;
  sid: string;
  uids: string[];
}

/** One thing for each member set, those of a frontend side by side. */
export class BySet<T> {
  readonly #make: (name: string, sid: string) => T;
  readonly #bySid = new Map<string, Map<string, T>>();

  /** @param make makes it for a set that is asked for the first time */
  constructor(make: (name: string, sid: string) => T) {
    this.#make = make;
  }

  get(name: string, sid: string): T {
    let byName = this.#bySid.get(sid);
    if (!byName) this.#bySid.set(sid, (byName = new Map()));
    let one = byName.get(name);
    if (one === undefined) byName.set(name, (one = this.#make(name, sid)));
    return one;
  }

  all(): T[] {
    return [...this.#bySid.values()].flatMap((byName) => [...byName.values()]);
  }
}

/** Groups memberships by the member set that they belong to. */
export function groupBySet(memberships: readonly Membership[]): MemberSetUids[] {
  const sets = new BySet<MemberSetUids>((name, sid) => ({ name, sid, uids: [] }));
  for (const { name, uid, sid } of memberships) sets.get(name, sid).uids.push(uid);
  return sets.all();
}

/** The change, which begins its channel if it is a join, and else ends it. */
export function atEdge(change: MemberSetChange): MemberSetChange {
  return change.type === "join" ? { ...change, created: true } : { ...change, emptied: true };
}

/** Tells a member set from all others. */
export function setKey(name: string, sid: string): string {
  // The length tells where the name ends, whatever is in it.
  return `${name.length}:${name}${sid}`;
}
