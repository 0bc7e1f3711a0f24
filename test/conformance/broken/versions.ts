import type { ChannelManager, Version } from "../../../src/types.js";
import { type Broken, turn } from "./broken.js";
import { broken, isMember } from "./manager.js";

/** Gives versions out as `change` makes them. */
function versioned(
  does: string,
  topics: readonly string[],
  change: (version: Version) => Version,
): Broken<ChannelManager> {
  const changed = (version: Version | undefined) => (version === undefined ? undefined : change(version));
  return broken(does, topics, (sound) => ({
    getMemberSets: (name) => sound.getMemberSets(name).map((set) => ({ ...set, version: change(set.version) })),
    readMemberSet(name, sid) {
      const { version, uids } = sound.readMemberSet(name, sid);
      return { version: changed(version), uids };
    },
  }));
}

const counter = (version: Version) => Number(version.slice(version.lastIndexOf(".") + 1));

export const brokenVersions = [
  versioned("every epoch is the same", ["version"], (version) => `epoch.${counter(version)}`),
  versioned("counters begin at 0", ["version", "evict", "readMemberSet"], (version) => `epoch.${counter(version) - 1}`),
  versioned(
    "counters stand still",
    ["version", "watch"],
    (version) => `${version.slice(0, version.lastIndexOf("."))}.1`,
  ),
  broken("an add of a member leaves the version as it is", ["version", "watch", "leaveIfUnchanged"], (sound) => ({
    add: (name, uid, sid) => !isMember(sound, { name, uid, sid }) && sound.add(name, uid, sid),
    addMany: (memberships, reason) =>
      sound.addMany(
        memberships.filter((member) => !isMember(sound, member)),
        reason,
      ),
  })),
  broken("a leave of nobody raises the version", ["version", "watch"], (sound) => ({
    leave(name, uid, sid) {
      if (sound.leave(name, uid, sid)) return true;
      const [somebody] = sound.getMembersBySid(name, sid);
      if (somebody !== undefined) sound.add(name, somebody, sid);
      return false;
    },
  })),
  broken("a change raises the versions of all frontends", ["version", "leaveIfUnchanged"], (sound) => ({
    add(name, uid, sid) {
      for (const set of sound.getMemberSets(name)) {
        if (set.sid !== sid) sound.add(name, sound.getMembersBySid(name, set.sid)[0]!, set.sid);
      }
      return sound.add(name, uid, sid);
    },
  })),
  broken("getMemberSets lists empty sets", ["getMemberSets"], (sound) => {
    const sids = new Set<string>();
    return {
      add: (name, uid, sid) => sids.add(sid) && sound.add(name, uid, sid),
      getMemberSets: (name) =>
        [...sids].map(
          (sid) => sound.getMemberSets(name).find((set) => set.sid === sid) ?? { sid, version: "e.1", count: 0 },
        ),
    };
  }),
  broken("getMemberSets tells only of the sets that are wanted", ["getMemberSets"], (sound) => ({
    getMemberSets: (name, copies) =>
      sound.getMemberSets(name, copies).filter(({ sid }) => !copies || copies.size === 0 || copies.has(sid)),
  })),
  broken("getMemberSets gives members along that have changed since", ["getMemberSets"], (sound) => ({
    async getMemberSets(name, copies) {
      const sets = sound.getMemberSets(name, copies);
      for (let turns = 0; turns < 3; turns++) await turn();
      return sets.map((set) => (set.uids ? { ...set, uids: sound.getMembersBySid(name, set.sid) } : set));
    },
    async add(name, uid, sid) {
      await turn();
      return sound.add(name, uid, sid);
    },
  })),
  broken("getMemberSets gives all members of the channel along with each set", ["getMemberSets"], (sound) => ({
    getMemberSets(name, copies) {
      const sets = sound.getMemberSets(name, copies);
      const all = sets.flatMap(({ uids }) => uids ?? []);
      return sets.map((set) => (set.uids ? { ...set, uids: all } : set));
    },
  })),
  broken("getMemberSets gives all members along, whoever wants them", ["getMemberSets"], (sound) => ({
    getMemberSets: (name) =>
      sound.getMemberSets(name).map((set) => ({ ...set, uids: sound.getMembersBySid(name, set.sid) })),
  })),
  broken("getMemberSets counts adds, not members", ["getMemberSets"], (sound) => {
    let count = 0;
    return {
      add: (name, uid, sid) => ++count > 0 && sound.add(name, uid, sid),
      getMemberSets: (name) => sound.getMemberSets(name).map((set) => ({ ...set, count })),
    };
  }),
  broken("readMemberSet keeps the version of an empty set", ["readMemberSet"], (sound) => ({
    readMemberSet(name, sid) {
      const { version, uids } = sound.readMemberSet(name, sid);
      return { version: version ?? "e.1", uids };
    },
  })),
  broken("readMemberSet reads uids before the version", ["readMemberSet"], (sound) => ({
    async readMemberSet(name, sid) {
      const { uids } = sound.readMemberSet(name, sid);
      for (let turns = 0; turns < 3; turns++) await turn();
      return { uids, version: sound.readMemberSet(name, sid).version };
    },
    async leave(name, uid, sid) {
      await turn();
      return sound.leave(name, uid, sid);
    },
  })),
  broken("getChannelsBySid keeps channels that are empty", ["getChannelsBySid"], (sound) => {
    const names = new Set<string>();
    return {
      add: (name, uid, sid) => names.add(name) && sound.add(name, uid, sid),
      getChannelsBySid: () => [...names],
    };
  }),
  broken("leaveIfUnchanged does not look at the version", ["leaveIfUnchanged"], (sound) => ({
    leaveIfUnchanged: (name, sid, uids) => sound.leaveMany(uids.map((uid) => ({ name, uid, sid }))),
  })),
  broken("leaveIfUnchanged takes everybody out", ["leaveIfUnchanged"], (sound) => ({
    leaveIfUnchanged(name, sid, uids, version) {
      const left = sound.leaveIfUnchanged(name, sid, uids, version);
      if (left > 0) sound.destroyChannel(name);
      return left;
    },
  })),
  broken("leaveIfUnchanged does not look at the epoch", ["leaveIfUnchanged"], (sound) => ({
    leaveIfUnchanged(name, sid, uids, version) {
      const now = sound.readMemberSet(name, sid).version;
      return now !== undefined && counter(now) === counter(version) ? sound.leaveIfUnchanged(name, sid, uids, now) : 0;
    },
  })),
  broken("leaveIfUnchanged resolves how many were given", ["leaveIfUnchanged"], (sound) => ({
    leaveIfUnchanged: (name, sid, uids, version) =>
      sound.leaveIfUnchanged(name, sid, uids, version) > 0 ? uids.length : 0,
  })),
  broken("leaveIfUnchanged looks first and leaves later", ["leaveIfUnchanged"], (sound) => ({
    async leaveIfUnchanged(name, sid, uids, version) {
      if (sound.readMemberSet(name, sid).version !== version) return 0;
      await turn();
      sound.leaveMany(uids.map((uid) => ({ name, uid, sid })));
      return uids.length;
    },
  })),
];
