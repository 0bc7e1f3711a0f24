import { LRUCache } from "lru-cache";
import type { ChannelManager, MemberSetInfo, Version } from "../types.js";
import { SharedReads } from "../shared-reads.js";

/** The members of a channel at one frontend. */
export interface MemberCopy {
  /** Undefined where the manager keeps no versions. */
  version: Version | undefined;
  /** Each once. */
  uids: readonly string[];
}

/** sid -> members. */
export type MemberCopies = ReadonlyMap<string, MemberCopy>;

/** How much is kept in all, in characters of uids. */
const MAX_KEPT = 32 * 1024 * 1024;
/** What a uid, and what an entry takes besides, in characters. */
const [UID_OVERHEAD, ENTRY_OVERHEAD] = [16, 200];

/**
 * Reads the members of channels, for pushes that have to name them. What was read is kept, and used again for as long as the
 * store says that it is at the same version, so that a channel that does not change costs no list of members. Pushes to one
 * channel share their reads.
 */
export class MemberReader {
  readonly #manager: ChannelManager;
  readonly #kept = new LRUCache<string, MemberCopies>({ maxSize: MAX_KEPT, sizeCalculation: sizeOf });
  readonly #reads = new SharedReads((name) => this.#readNow(name));
  /** The frontends that the next read of a channel is for. */
  readonly #wanted = new Map<string, Set<string>>();

  constructor(manager: ChannelManager) {
    this.#manager = manager;
  }

  /**
   * The members of a channel at these frontends, and maybe at others. 1 round trip; 2 if a set has changed that the manager
   * does not give along.
   */
  read(name: string, sids: readonly string[]): Promise<MemberCopies> {
    const wanted = this.#wanted.get(name) ?? new Set();
    this.#wanted.set(name, wanted);
    for (const sid of sids) wanted.add(sid);
    return this.#reads.read(name);
  }

  #readNow(name: string): Promise<MemberCopies> {
    const sids = this.#wanted.get(name) ?? new Set();
    this.#wanted.delete(name);
    return this.#manager.capabilities?.versions ? this.#readChanged(name, sids) : this.#readAll(name, sids);
  }

  async #readAll(name: string, sids: ReadonlySet<string>): Promise<MemberCopies> {
    const copies = new Map<string, MemberCopy>();
    const read = async (sid: string): Promise<void> => {
      const uids = new Set(await this.#manager.getMembersBySid(name, sid));
      if (uids.size > 0) copies.set(sid, { version: undefined, uids: [...uids] });
    };
    await Promise.all([...sids].map(read));
    return copies;
  }

  async #readChanged(name: string, sids: ReadonlySet<string>): Promise<MemberCopies> {
    const kept = this.#kept.get(name);
    const versions = new Map([...sids].map((sid) => [sid, kept?.get(sid)?.version]));
    const sets = (await this.#manager.getMemberSets?.(name, versions)) ?? [];
    const isUnchanged = sets.length === kept?.size && sets.every((set) => kept.get(set.sid)?.version === set.version);
    if (isUnchanged) return kept;

    const copies = new Map<string, MemberCopy>();
    const read = async (set: MemberSetInfo): Promise<void> => {
      const copy = kept?.get(set.sid);
      if (copy?.version === set.version) copies.set(set.sid, copy);
      else if (set.uids) copies.set(set.sid, { version: set.version, uids: set.uids });
      else if (sids.has(set.sid)) copies.set(set.sid, await this.#readSet(name, set.sid));
    };
    await Promise.all(sets.map(read));
    if (copies.size > 0) this.#kept.set(name, copies);
    else this.#kept.delete(name);
    return copies;
  }

  async #readSet(name: string, sid: string): Promise<MemberCopy> {
    const { version, uids } = (await this.#manager.readMemberSet?.(name, sid)) ?? { version: undefined, uids: [] };
    return { version, uids };
  }
}

function sizeOf(copies: MemberCopies): number {
  let size = ENTRY_OVERHEAD;
  for (const { uids } of copies.values()) {
    for (const uid of uids) size += uid.length + UID_OVERHEAD;
  }
  return size;
}
