import { chunks, chunksBySize } from "../../batches.js";
import { newEpoch } from "../../version.js";
import type { JoinReason, LeaveReason, MemberSetChange, Version } from "../../types.js";
import type { LoggedChange } from "./channel-edges.js";

/** How many uids one change tells of, and how many characters of them: each can be 12 in SQL, and the smallest packets are 1 MB. */
const [MAX_UIDS, MAX_CHARACTERS] = [1000, 64 * 1024];

/** Uids as many at a time as one change tells of. */
export function tellable(uids: readonly string[]): string[][] {
  return chunks(uids, MAX_UIDS).flatMap((some) => chunksBySize(some, MAX_CHARACTERS, ({ length }) => length));
}

/** What the database says of a member set. */
export interface StoredSet {
  id: number;
  counter: number;
  members: number;
}

/** The row of a member set, as it is to be. */
interface DraftedSet extends StoredSet {
  name: string;
  sid: string;
}

/** What has to be written so that the database says the same as the drafts. */
export interface Amendments {
  begun: DraftedSet[];
  /** Sets that began after another one has ended, whose row is in the way. */
  begunAnew: DraftedSet[];
  continued: DraftedSet[];
  ended: DraftedSet[];
  /** Sets that were not there before and are not after. */
  passed: DraftedSet[];
  /** By the id of a set that goes on, or begins. */
  joined: Map<number, string[]>;
  left: Map<number, string[]>;
}

/** A member set that is being changed: read once, changed in memory as often as need be, written once. */
export class MemberSetDraft {
  readonly name: string;
  readonly sid: string;
  readonly #stored: StoredSet | undefined;
  readonly #storedUids: ReadonlySet<string>;
  readonly #uids: Set<string>;
  #current: StoredSet | undefined;
  readonly #log: LoggedChange[];
  /** The change that uids may still join, and those of it. */
  #last: LastChange | undefined;
  /** A set that began and ended here. */
  #passed: StoredSet | undefined;

  /**
   * @param uids those of the members who will be spoken of
   * @param log gets the changes, in the order in which they are made
   */
  constructor(
    { name, sid }: { name: string; sid: string },
    stored: StoredSet | undefined,
    uids: ReadonlySet<string>,
    log: LoggedChange[],
  ) {
    this.name = name;
    this.sid = sid;
    this.#stored = stored;
    this.#current = stored && { ...stored };
    this.#storedUids = uids;
    this.#uids = new Set(uids);
    this.#log = log;
  }

  /** Makes uids members. Returns for each whether it was none. */
  join(uids: readonly string[], reason: JoinReason): boolean[] {
    return uids.map((uid) => {
      const isNew = !this.#uids.has(uid);
      if (isNew) this.#uids.add(uid);
      // One who is a member already raises the version all the same, so that nobody takes it out for what was before.
      this.#note("join", isNew ? [uid] : [], reason);
      return isNew;
    });
  }

  /** Takes uids out, if a version is given only while the set is at that. Returns for each whether it was a member. */
  leave(uids: readonly string[], reason: LeaveReason, expected?: Version): boolean[] {
    if (expected !== undefined && expected !== this.#version()) return uids.map(() => false);
    return uids.map((uid) => {
      const wasMember = this.#uids.delete(uid);
      if (wasMember) this.#note("leave", [uid], reason);
      return wasMember;
    });
  }

  /** Whether the set had members before. */
  get wasThere(): boolean {
    return this.#stored !== undefined;
  }

  /** Adds what has to be written. */
  amend(amendments: Amendments): void {
    const [stored, current] = [this.#stored, this.#current];
    const isContinued = stored !== undefined && stored.id === current?.id;
    const joined = isContinued ? [...this.#uids].filter((uid) => !this.#storedUids.has(uid)) : [...this.#uids];
    const left = [...this.#storedUids].filter((uid) => !this.#uids.has(uid));
    const { name, sid } = this;
    if (stored && !isContinued) amendments.ended.push({ ...stored, name, sid });
    else if (stored && left.length > 0) amendments.left.set(stored.id, left);
    if (!stored && !current && this.#passed) amendments.passed.push({ ...this.#passed, name, sid });
    if (!current) return;
    if (joined.length > 0) amendments.joined.set(current.id, joined);
    const drafted = { ...current, name, sid };
    if (!stored) amendments.begun.push(drafted);
    else if (!isContinued) amendments.begunAnew.push(drafted);
    else if (current.counter !== stored.counter) amendments.continued.push(drafted);
  }

  #version(): Version | undefined {
    return this.#current && versionOf(this.#current);
  }

  /** Counts who joins or leaves, as a part of the last change if that is of the same kind, else as a change of its own. */
  #note(type: "join" | "leave", uids: readonly string[], reason: JoinReason | LeaveReason): void {
    const isFull = this.#last && (this.#last.uids.length >= MAX_UIDS || this.#last.characters >= MAX_CHARACTERS);
    if (this.#last?.type !== type || this.#last.reason !== reason || isFull) {
      const begins = this.#current === undefined;
      this.#current ??= { id: idOf(newEpoch()), counter: 0, members: 0 };
      this.#current.counter++;
      const { name, sid } = this;
      const some: string[] = [];
      const change = { type, name, sid, version: versionOf(this.#current), uids: some, reason } as MemberSetChange;
      const logged: LoggedChange = { change, begins };
      this.#log.push(logged);
      this.#last = { type, reason, uids: some, characters: 0, logged };
    }
    for (const uid of uids) {
      this.#last.uids.push(uid);
      this.#last.characters += uid.length;
    }
    const current = this.#current!;
    current.members += type === "join" ? uids.length : -uids.length;
    if (current.members > 0) return;
    this.#last.logged.ends = true;
    this.#passed = current;
    // Whoever joins next begins a set anew.
    this.#current = this.#last = undefined;
  }
}

interface LastChange {
  type: "join" | "leave";
  reason: JoinReason | LeaveReason;
  uids: string[];
  characters: number;
  logged: LoggedChange;
}

/** How many bytes of an epoch are the id of a set, which is an integer that JavaScript can hold. */
const EPOCH_BYTES = 6;

export function versionOf({ id, counter }: { id: number; counter: number }): Version {
  const epoch = Buffer.alloc(EPOCH_BYTES);
  epoch.writeUIntBE(id, 0, EPOCH_BYTES);
  return `${epoch.toString("base64url")}.${counter}`;
}

function idOf(epoch: string): number {
  return Buffer.from(epoch, "base64url").readUIntBE(0, EPOCH_BYTES);
}
