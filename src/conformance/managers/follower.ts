import type { ChangeListener, MemberSetChange, Version } from "../../types.js";
import { parseVersion } from "./change-log.js";
import type { ManagerWith } from "./manager-case.js";

/** What is known of one member set. */
interface Copy {
  version: Version | undefined;
  uids: Set<string>;
  /** Whether a change may have been missed, so that it must be read. */
  stale: boolean;
}

/**
 * Keeps copies of the member sets at one frontend, as a frontend does: changes keep them up to date, and what may have missed
 * one, as a gap or a hole in the versions tells, is read again. The sets are empty when it begins to watch.
 */
export class Follower implements ChangeListener {
  readonly #sid: string;
  readonly #copies = new Map<string, Copy>();
  /** Reads under way: the changes that were told meanwhile. */
  readonly #reading = new Map<string, MemberSetChange[]>();
  #misses = 0;

  constructor(sid: string) {
    this.#sid = sid;
  }

  change(change: MemberSetChange): void {
    this.#reading.get(change.name)?.push(change);
    follow(this.#copy(change.name), change);
  }

  gap(): void {
    this.#misses++;
    for (const copy of this.#copies.values()) copy.stale = true;
  }

  /** The copy of a set, which is read only if it cannot be relied on. */
  async read(manager: ManagerWith<"versions">, name: string): Promise<Readonly<Copy>> {
    const copy = this.#copy(name);
    if (!copy.stale) return copy;
    const changes: MemberSetChange[] = [];
    this.#reading.set(name, changes);
    const misses = this.#misses;
    try {
      const { version, uids } = await manager.readMemberSet(name, this.#sid);
      Object.assign(copy, { version, uids: new Set(uids), stale: this.#misses > misses });
    } finally {
      this.#reading.delete(name);
    }
    for (const change of changes) follow(copy, change);
    return copy;
  }

  #copy(name: string): Copy {
    const copy = this.#copies.get(name) ?? { version: undefined, uids: new Set(), stale: this.#misses > 0 };
    this.#copies.set(name, copy);
    return copy;
  }
}

function follow(copy: Copy, change: MemberSetChange): void {
  if (change.type === "clear") {
    copy.uids.clear();
    copy.version = undefined;
    return;
  }
  // Of a set that was cleared it is known already that nobody is in it.
  if (change.version === undefined) return;
  const [epoch, counter] = parseVersion(change.version);
  const [lastEpoch, lastCounter] = copy.version === undefined ? [epoch, 0] : parseVersion(copy.version);
  if (epoch === lastEpoch && counter <= lastCounter) return;
  if (epoch !== lastEpoch || counter > lastCounter + 1) {
    copy.stale = true;
    return;
  }
  copy.version = change.version;
  for (const uid of change.uids) {
    if (change.type === "join") copy.uids.add(uid);
    else copy.uids.delete(uid);
  }
  if (copy.uids.size === 0) copy.version = undefined;
}
