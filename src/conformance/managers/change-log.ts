import assert from "node:assert/strict";
import type { ChangeListener, MemberSetChange, Version } from "../../types.js";
import { assertSameItems, eventually } from "../expect.js";
import type { ManagerWith } from "./manager-case.js";

/** A listener that keeps what it was told. */
export class ChangeLog implements ChangeListener {
  readonly changes: MemberSetChange[] = [];
  gaps = 0;

  change(change: MemberSetChange): void {
    this.changes.push(change);
  }

  gap(): void {
    this.gaps++;
  }

  /** Every membership that began or ended, once for each time it was told. */
  told(type: "join" | "leave"): { name: string; uid: string; sid: string; reason: string }[] {
    return this.changes.flatMap((change) =>
      change.type !== "clear" && change.type === type
        ? change.uids.map((uid) => ({ name: change.name, uid, sid: change.sid, reason: change.reason }))
        : [],
    );
  }

  /** The version that the last change of this set made; undefined if that was a `clear` or there was none. */
  lastVersion(name: string, sid: string): Version | undefined {
    return this.replay().get(setKey(name, sid))?.version;
  }

  /** The members according to the changes alone, which began with an empty set. */
  members(name: string, sid: string): string[] {
    return [...(this.replay().get(setKey(name, sid))?.uids ?? [])];
  }

  /**
   * Follows the changes from empty sets and holds each one to the contract: versions without a hole, a new epoch with
   * counter 1 after the set was empty, nobody joins twice or leaves without being a member.
   */
  replay(): Map<string, ReplayedSet> {
    assert.equal(this.gaps, 0, "a gap was told, but nothing was disturbed");
    const sets = new Map<string, ReplayedSet>();
    for (const change of this.changes) {
      const key = setKey(change.name, change.sid);
      const set = sets.get(key) ?? { version: undefined, uids: new Set(), cleared: new Map(), epochs: new Set() };
      sets.set(key, set);
      follow(set, change);
    }
    return sets;
  }
}

interface ReplayedSet {
  version: Version | undefined;
  uids: Set<string>;
  /** Members at the time of a `clear` of whom no `leave` has told yet, and how many it owes. */
  cleared: Map<string, number>;
  epochs: Set<string>;
}

function follow(set: ReplayedSet, change: MemberSetChange): void {
  if (change.type === "clear") {
    for (const uid of set.uids) set.cleared.set(uid, (set.cleared.get(uid) ?? 0) + 1);
    set.uids.clear();
    set.version = undefined;
    return;
  }
  if (change.version === undefined) {
    for (const uid of change.uids) {
      const owed = set.cleared.get(uid);
      assert.ok(owed, `a leave of ${uid} without a version, but no clear before it`);
      if (owed === 1) set.cleared.delete(uid);
      else set.cleared.set(uid, owed - 1);
    }
    return;
  }
  const [epoch, counter] = parseVersion(change.version);
  if (set.uids.size === 0) {
    assert.equal(change.type, "join", "an empty set can only be joined");
    assert.equal(counter, 1, `an empty set began with version ${change.version}`);
    assert.ok(!set.epochs.has(epoch), `the epoch of ${change.version} was used before`);
    set.epochs.add(epoch);
  } else {
    const [lastEpoch, lastCounter] = parseVersion(set.version ?? "");
    assert.deepEqual([epoch, counter], [lastEpoch, lastCounter + 1], `after ${set.version} came ${change.version}`);
  }
  set.version = change.version;
  for (const uid of change.uids) {
    if (change.type === "join") {
      assert.ok(!set.uids.has(uid), `${uid} joined ${change.name}, but was a member`);
      set.uids.add(uid);
    } else {
      assert.ok(set.uids.delete(uid), `${uid} left ${change.name}, but was not a member`);
    }
  }
}

/** Waits until what was told of `room` at `s1` is all there is in the store. */
export async function catchesUp(log: ChangeLog, manager: ManagerWith<"versions">): Promise<void> {
  const { version, uids } = await manager.readMemberSet("room", "s1");
  await eventually(() => {
    assert.equal(log.lastVersion("room", "s1"), version);
    assertSameItems(log.members("room", "s1"), uids);
  });
}

/** Takes `<epoch>.<counter>` apart. */
export function parseVersion(version: Version | undefined): [epoch: string, counter: number] {
  const [, epoch, counter] = /^(.*)\.([1-9][0-9]*)$/s.exec(version ?? "") ?? [];
  assert.ok(epoch !== undefined && counter !== undefined, `${version} is not a version: <epoch>.<counter>`);
  return [epoch, Number(counter)];
}

function setKey(name: string, sid: string): string {
  return JSON.stringify([name, sid]);
}
