import assert from "node:assert/strict";
import type { ChannelManager } from "../../types.js";
import { assertSameItems } from "../expect.js";

/** How many members are looked for one by one. */
const SOUGHT = 5;

/** The members of each of these channels at each of these frontends, by name and sid; no others may be in the store. */
export type Members = ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>;

/**
 * Every way to ask for the members that the manager declares gives the same answer: no count, list or index tells of a change
 * of which another one does not tell. Resolves the members.
 */
export async function readWhole(
  manager: ChannelManager,
  names: readonly string[],
  sids: readonly string[],
): Promise<Members> {
  const whole = new Map<string, Map<string, string[]>>();
  for (const name of names) {
    const bySid = new Map<string, string[]>();
    whole.set(name, bySid);
    for (const sid of sids) bySid.set(sid, await manager.getMembersBySid(name, sid));
    await checkSets(manager, name, bySid);
    await checkQueries(manager, name, bySid);
  }
  await checkIndexes(manager, sids, whole);
  return whole;
}

async function checkSets(manager: ChannelManager, name: string, bySid: ReadonlyMap<string, string[]>): Promise<void> {
  if (!manager.capabilities?.versions) return;
  const sets = (await manager.getMemberSets?.(name)) ?? [];
  assertSameItems(
    sets.map(({ sid, count }) => ({ sid, count })),
    [...bySid].filter(([, { length }]) => length > 0).map(([sid, { length }]) => ({ sid, count: length })),
    "counts",
  );
  for (const [sid, uids] of bySid) {
    const read = await manager.readMemberSet?.(name, sid);
    assertSameItems(read?.uids ?? [], uids, "what was read with its version");
    assert.equal(read?.version, sets.find((set) => set.sid === sid)?.version, "the version of what was read");
  }
}

async function checkQueries(
  manager: ChannelManager,
  name: string,
  bySid: ReadonlyMap<string, string[]>,
): Promise<void> {
  if (!manager.capabilities?.queries) return;
  const sought = [...bySid.values()].flatMap((uids) => uids.slice(0, SOUGHT));
  for (const uid of new Set(sought)) {
    assertSameItems(
      (await manager.findMember?.(name, uid)) ?? [],
      [...bySid].filter(([, uids]) => uids.includes(uid)).map(([sid]) => sid),
      "where a member is found",
    );
  }
}

async function checkIndexes(manager: ChannelManager, sids: readonly string[], whole: Members): Promise<void> {
  const namesAt = (sid: string) => [...whole].filter(([, bySid]) => bySid.get(sid)?.length).map(([name]) => name);
  if (manager.capabilities?.versions) {
    for (const sid of sids) assertSameItems((await manager.getChannelsBySid?.(sid)) ?? [], namesAt(sid), "channels");
  }
  if (manager.capabilities?.eviction) {
    const servers = (await manager.getServers?.()) ?? [];
    assertSameItems(
      servers.filter((sid) => sids.includes(sid)),
      sids.filter((sid) => namesAt(sid).length > 0),
      "servers",
    );
  }
}
