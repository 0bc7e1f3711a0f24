import { turn } from "./broken.js";
import { broken } from "./manager.js";

export const brokenPresence = [
  broken("disconnect does not look at the incarnation", ["disconnect"], (sound) => ({
    disconnect(uid, sid) {
      for (const [place] of sound.getSessions([uid])) if (place) sound.disconnect(uid, sid, place.incarnation);
    },
  })),
  broken("disconnect does nothing", ["connect", "disconnect", "countUsers"], () => ({ disconnect: () => {} })),
  broken("a user has one frontend", ["connect"], (sound) => ({
    connect(uid, sid, incarnation) {
      for (const place of sound.getSessions([uid]).flat()) sound.disconnect(uid, place.sid, place.incarnation);
      sound.connect(uid, sid, incarnation);
    },
  })),
  broken("connects are counted", ["connect", "disconnect", "countUsers", "evict"], (sound) => {
    const counts = new Map<string, number>();
    return {
      connect(uid, sid, incarnation) {
        counts.set(sid, (counts.get(sid) ?? 0) + 1);
        sound.connect(uid, sid, incarnation);
      },
      countUsers: (sids) => sids.map((sid) => counts.get(sid) ?? 0),
    };
  }),
  broken("disconnect takes the user out of all channels", ["connect, disconnect"], (sound) => ({
    disconnect(uid, sid, incarnation) {
      for (const name of sound.getChannelsBySid(sid)) sound.leave(name, uid, sid);
      sound.disconnect(uid, sid, incarnation);
    },
  })),
  broken("answers leave out who is unknown", ["getSessions", "countUsers"], (sound) => ({
    getSessions: (uids) => sound.getSessions(uids).filter((places) => places.length > 0),
    countUsers: (sids) => sound.countUsers(sids).filter((count) => count > 0),
  })),
];

export const brokenEvictions = [
  broken("getServers lists those without members too", ["getServers"], (sound) => {
    const sids = new Set<string>();
    return { add: (name, uid, sid) => sids.add(sid) && sound.add(name, uid, sid), getServers: () => [...sids] };
  }),
  broken("evict leaves one channel", ["evict"], (sound) => ({
    evict({ sid }) {
      const names = sound.getChannelsBySid(sid).slice(1);
      return sound.leaveMany(
        names.flatMap((name) => sound.getMembersBySid(name, sid).map((uid) => ({ name, uid, sid }))),
      );
    },
  })),
  broken("evict destroys the channels", ["evict"], (sound) => ({
    evict: ({ sid }) => sound.getChannelsBySid(sid).reduce((count, name) => count + sound.destroyChannel(name), 0),
  })),
  broken("evict looks first and evicts later", ["evict"], (sound) => ({
    async evict(frontend, reason) {
      const { sid } = frontend;
      const names = sound.getChannelsBySid(sid);
      const count = names.reduce((total, name) => total + sound.getMembersBySid(name, sid).length, 0);
      await turn();
      sound.evict(frontend, reason);
      return count;
    },
    async leave(name, uid, sid) {
      await turn();
      return sound.leave(name, uid, sid);
    },
  })),
  broken("evict stops at 1,000 members", ["evict"], (sound) => ({
    evict({ sid }, reason) {
      const memberships = sound
        .getChannelsBySid(sid)
        .flatMap((name) => sound.getMembersBySid(name, sid).map((uid) => ({ name, uid, sid })));
      return sound.leaveMany(memberships.slice(0, 1_000), reason);
    },
  })),
  broken("evict makes an epoch go on", ["evict"], (sound) => ({
    readMemberSet: (name, sid) => ({ ...sound.readMemberSet(name, sid), version: "epoch.1" }),
  })),
  broken("evict forgets all sessions", ["evict"], (sound) => ({
    evict(frontend, reason) {
      const count = sound.evict(frontend, reason);
      sound.getSessions(["ann", "ben"]).forEach((places, index) => {
        for (const { sid, incarnation } of places) sound.disconnect(["ann", "ben"][index]!, sid, incarnation);
      });
      return count;
    },
  })),
];
