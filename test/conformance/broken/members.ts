import type { ChannelManager } from "../../../src/types.js";
import { type Broken, turn } from "./broken.js";
import { broken, isMember } from "./manager.js";

/** Gives names to the store as `fold` makes them. */
function folding(does: string, topics: readonly string[], fold: (name: string) => string): Broken<ChannelManager> {
  return broken(does, topics, (sound) => ({
    add: (name, uid, sid) => sound.add(fold(name), fold(uid), fold(sid)),
    addMany: (many) =>
      sound.addMany(many.map(({ name, uid, sid }) => ({ name: fold(name), uid: fold(uid), sid: fold(sid) }))),
    connect: (uid, sid, incarnation) => sound.connect(fold(uid), fold(sid), fold(incarnation)),
  }));
}

export const brokenMembers = [
  broken("lacks a method that it declares", ["capabilities"], () => ({ scanMembers: undefined as never })),
  broken("add does nothing", ["add", "destroyChannel", "clean", "names"], () => ({ add: () => true })),
  broken("add resolves true for a member", ["add", "leave", "getMembersBySid"], (sound) => ({
    add(name, uid, sid) {
      sound.add(name, uid, sid);
      return true;
    },
  })),
  broken("add looks first and adds later", ["add", "leave", "destroyChannel"], (sound) => ({
    async add(name, uid, sid) {
      const joins = !isMember(sound, { name, uid, sid });
      await turn();
      sound.add(name, uid, sid);
      return joins;
    },
  })),
  broken("concurrent adds overwrite each other", ["add"], (sound) => ({
    async add(name, uid, sid) {
      const uids = sound.getMembersBySid(name, sid);
      await turn();
      for (const other of sound.getMembersBySid(name, sid)) if (!uids.includes(other)) sound.leave(name, other, sid);
      return sound.add(name, uid, sid);
    },
  })),
  broken("leave takes the user out of every frontend", ["add"], (sound) => ({
    leave: (name, uid) => sound.findMember(name, uid).filter((sid) => sound.leave(name, uid, sid)).length > 0,
  })),
  broken("leave takes the user out of every channel", ["add"], (sound) => ({
    leave: (_name, uid, sid) => sound.getChannelsBySid(sid).filter((name) => sound.leave(name, uid, sid)).length > 0,
  })),
  broken("leave takes everybody out", ["leave"], (sound) => ({ leave: (name) => sound.destroyChannel(name) > 0 })),
  broken("leave resolves true for who is not a member", ["leave"], (sound) => ({
    leave: (name, uid, sid) => sound.leave(name, uid, sid) || true,
  })),
  broken("leave looks first and leaves later", ["leave"], (sound) => ({
    async leave(name, uid, sid) {
      const leaves = isMember(sound, { name, uid, sid });
      await turn();
      sound.leave(name, uid, sid);
      return leaves;
    },
  })),
  broken("getMembersBySid mixes up frontends", ["getMembersBySid"], (sound) => ({
    getMembersBySid: (name) => sound.getMemberSets(name).flatMap(({ sid }) => sound.getMembersBySid(name, sid)),
  })),
  broken("getMembersBySid lists a member twice", ["getMembersBySid"], (sound) => ({
    getMembersBySid: (name, sid) => [
      ...sound.getMembersBySid(name, sid),
      ...sound.getMembersBySid(name, sid).slice(0, 1),
    ],
  })),
  broken("destroyChannel forgets all frontends but one", ["destroyChannel"], (sound) => ({
    destroyChannel(name) {
      const [set] = sound.getMemberSets(name);
      return set
        ? sound.leaveMany(sound.getMembersBySid(name, set.sid).map((uid) => ({ name, uid, sid: set.sid })))
        : 0;
    },
  })),
  broken("destroyChannel takes its name for a pattern", ["destroyChannel"], (sound) => ({
    destroyChannel: (name) =>
      sound
        .getServers()
        .flatMap((sid) => sound.getChannelsBySid(sid))
        .filter((channel) => channel.startsWith(name.replace("*", "")))
        .reduce((count, channel) => count + sound.destroyChannel(channel), 0),
  })),
  broken("destroyChannel resolves at least 1", ["destroyChannel"], (sound) => ({
    destroyChannel: (name) => Math.max(1, sound.destroyChannel(name)),
  })),
  broken("destroyChannel counts first and destroys later", ["destroyChannel"], (sound) => ({
    async destroyChannel(name) {
      const count = sound.getMemberSets(name).reduce((total, set) => total + set.count, 0);
      await turn();
      sound.destroyChannel(name);
      return count;
    },
  })),
  broken("destroyChannel leaves nothing but a tombstone", ["destroyChannel"], (sound) => {
    const destroyed = new Set<string>();
    return {
      destroyChannel(name) {
        destroyed.add(name);
        return sound.destroyChannel(name);
      },
      add: (name, uid, sid) => !destroyed.has(name) && sound.add(name, uid, sid),
    };
  }),
  broken("clean forgets the sessions", ["clean"], () => ({ clean: () => {} })),
];

export const brokenNames = [
  folding("knows no case", ["names"], (name) => name.toLowerCase()),
  folding("knows no accents' composition", ["names"], (name) => name.normalize("NFC")),
  folding("ignores white space at the end", ["names"], (name) => name.trimEnd() || name),
  folding("cuts names at 1,023 bytes", ["names"], (name) => name.slice(0, 1_023)),
  folding("cuts names at 255 characters", ["names"], (name) => name.slice(0, 255)),
  folding("looks at 768 bytes of a name", ["names"], (name) => Buffer.from(name).subarray(0, 768).toString("latin1")),
  folding("knows no accents", ["names"], (name) => name.normalize("NFD").replace(/\p{M}/gu, "") || name),
  folding("gives equal weight to all beyond the basic plane", ["names"], (name) =>
    name.replace(/[\u{10000}-\u{10ffff}]/gu, "?"),
  ),
  folding("pads names with spaces", ["names"], (name) => name.replace(/ +$/, "") || name),
  folding("takes names for numbers", ["names"], (name) => String(Number(name) || name)),
  folding("ends names at a NUL", ["names"], (name) => name.split("\0")[0] || name),
  folding("takes a backslash for an escape", ["names"], (name) => name.replace(/\\(.)/gu, "$1")),
  folding("takes one member's name for a property", ["names"], (name) => (name === "__proto__" ? "" : name)),
  broken("joins channel and sid with a colon", ["names"], (sound) => ({
    add: (name, uid, sid) => sound.add(`${name}:${sid}`, uid, "all"),
    getMembersBySid: (name, sid) => sound.getMembersBySid(`${name}:${sid}`, "all"),
  })),
  broken("joins channel and uid with a colon", ["names"], (sound) => ({
    add: (name, uid, sid) => sound.add("all", `${name}:${uid}`, sid),
    leave: (name, uid, sid) => sound.leave("all", `${name}:${uid}`, sid),
  })),
  broken("evicts by pattern", ["names"], (sound) => ({
    evict: ({ sid, incarnation }, reason) =>
      sound
        .getServers()
        .filter((server) => server.startsWith(sid.replace("*", "")))
        .reduce((count, server) => count + sound.evict({ sid: server, incarnation }, reason), 0),
  })),
];
