import { turn } from "./broken.js";
import { broken, isMember } from "./manager.js";

export const brokenBulk = [
  broken("addMany resolves how many were given", ["addMany"], (sound) => ({
    addMany(memberships, reason) {
      sound.addMany(memberships, reason);
      return memberships.length;
    },
  })),
  broken("addMany adds to the first channel only", ["addMany"], (sound) => ({
    addMany: (memberships) => sound.addMany(memberships.map((member) => ({ ...member, name: memberships[0]!.name }))),
  })),
  broken("addMany looks first and adds later", ["addMany"], (sound) => ({
    async addMany(memberships) {
      const joining = memberships.filter((member) => !isMember(sound, member));
      await turn();
      sound.addMany(memberships);
      return joining.length;
    },
  })),
  broken("addMany and leaveMany stop at 1,000", ["addMany", "leaveMany"], (sound) => ({
    addMany: (memberships, reason) => sound.addMany(memberships.slice(0, 1_000), reason),
    leaveMany: (memberships, reason) => sound.leaveMany(memberships.slice(0, 1_000), reason),
  })),
  broken("leaveMany of an empty list resolves nothing", ["leaveMany"], (sound) => ({
    leaveMany: (memberships, reason) =>
      memberships.length === 0 ? (undefined as never) : sound.leaveMany(memberships, reason),
  })),
  broken("leaveMany resolves how many were given", ["leaveMany"], (sound) => ({
    leaveMany(memberships, reason) {
      sound.leaveMany(memberships, reason);
      return memberships.length;
    },
  })),
];

export const brokenUserIndex = [
  broken("getMembershipsByUid is deaf to the frontend", ["getMembershipsByUid"], (sound) => ({
    getMembershipsByUid: (uid) => sound.getMembershipsByUid(uid),
  })),
  broken("getMembershipsByUid stops at 100", ["getMembershipsByUid"], (sound) => ({
    getMembershipsByUid: (uid, sid) => sound.getMembershipsByUid(uid, sid).slice(0, 100),
  })),
  broken("getMembershipsByUid takes users of a similar name for one", ["getMembershipsByUid"], (sound) => ({
    getMembershipsByUid: (uid, sid) => sound.getMembershipsByUid(uid.trim().toLowerCase(), sid),
  })),
  broken("an eviction leaves the index of users as it was", ["getMembershipsByUid"], (sound) => {
    const evicted: { name: string; uid: string; sid: string }[] = [];
    return {
      evict({ sid, incarnation }, reason) {
        for (const name of sound.getChannelsBySid(sid)) {
          for (const uid of sound.getMembersBySid(name, sid)) evicted.push({ name, uid, sid });
        }
        return sound.evict({ sid, incarnation }, reason);
      },
      getMembershipsByUid: (uid, sid) => [
        ...sound.getMembershipsByUid(uid, sid),
        ...evicted.filter((member) => member.uid === uid && (sid === undefined || member.sid === sid)),
      ],
    };
  }),
];

export const brokenQueries = [
  broken("findMember finds one frontend only", ["findMember"], (sound) => ({
    findMember: (name, uid) => sound.findMember(name, uid).slice(0, 1),
  })),
  broken("findMember finds who has left", ["findMember"], (sound) => {
    const sids = new Set<string>();
    return {
      add: (name, uid, sid) => sids.add(sid) && sound.add(name, uid, sid),
      findMember: () => [...sids],
    };
  }),
  broken("scanMembers misses the last page", ["scanMembers"], (sound) => ({
    scanMembers(name, sid, cursor, limit) {
      const page = sound.scanMembers(name, sid, cursor, limit);
      return page.cursor === "" ? { uids: [], cursor: "" } : page;
    },
  })),
  broken("scanMembers gives all members at once", ["scanMembers"], (sound) => ({
    scanMembers: (name, sid) => ({ uids: sound.getMembersBySid(name, sid), cursor: "" }),
  })),
  broken("scanMembers counts positions", ["scanMembers"], (sound) => ({
    scanMembers(name, sid, cursor, limit) {
      const start = Number(cursor);
      const uids = sound.getMembersBySid(name, sid);
      return {
        uids: uids.slice(start, start + limit),
        cursor: start + limit < uids.length ? String(start + limit) : "",
      };
    },
  })),
  broken("scanMembers shows a member of an empty set", ["scanMembers"], (sound) => ({
    scanMembers(name, sid, cursor, limit) {
      const page = sound.scanMembers(name, sid, cursor, limit);
      return { ...page, uids: page.uids.length === 0 ? [""] : page.uids };
    },
  })),
];

const LARGE = ["100,000 members"];

export const brokenLargeChannels = [
  broken("a channel takes 65,536 members", LARGE, (sound) => {
    let count = 0;
    return {
      addMany: (memberships) => ((count += memberships.length) > 65_536 ? 0 : sound.addMany(memberships)),
    };
  }),
  broken("a set is read up to 10,000 members", LARGE, (sound) => ({
    getMembersBySid: (name, sid) => sound.getMembersBySid(name, sid).slice(0, 10_000),
  })),
  broken("pages end after the first", LARGE, (sound) => ({
    scanMembers: (name, sid, cursor, limit) => ({ ...sound.scanMembers(name, sid, cursor, limit), cursor: "" }),
  })),
  broken("evict stops at 10,000 members", LARGE, (sound) => ({
    evict: (frontend, reason) => Math.min(10_000, sound.evict(frontend, reason)),
  })),
];
