import { MemoryServerRegistry } from "../../../src/registries/memory.js";
import type { FrontendInfo, ServerRegistry } from "../../../src/types.js";
import { type Broken, alter, same, turn } from "./broken.js";

function broken(
  does: string,
  topics: readonly string[],
  change: (sound: MemoryServerRegistry) => Partial<ServerRegistry>,
): Broken<ServerRegistry> {
  return {
    does,
    topics,
    make: () => same(alter(new MemoryServerRegistry(), change)),
  };
}

export const brokenRegistries: readonly Broken<ServerRegistry>[] = [
  broken("register lists the frontend at once", ["register"], (sound) => ({
    register(frontend, leaseMs) {
      sound.register(frontend, leaseMs);
      sound.renew(frontend, leaseMs);
    },
  })),
  broken("register takes the sid from whoever holds it", ["register", "renew"], (sound) => {
    const holders = new Map<string, FrontendInfo>();
    return {
      register(frontend, leaseMs) {
        const holder = holders.get(frontend.sid);
        if (holder) sound.unregister(holder);
        holders.set(frontend.sid, frontend);
        sound.register(frontend, leaseMs);
      },
    };
  }),
  broken("register refuses the same incarnation", ["register"], (sound) => {
    const registered = new Set<string>();
    return {
      register(frontend, leaseMs) {
        if (registered.has(frontend.incarnation)) throw new Error("in use");
        registered.add(frontend.incarnation);
        sound.register(frontend, leaseMs);
      },
    };
  }),
  broken("register looks first and reserves later", ["register"], (sound) => {
    const reserved = new Set<string>();
    return {
      async register(frontend, leaseMs) {
        if (!reserved.has(frontend.sid)) {
          await turn();
          const holder = sound.list()[0];
          if (holder) sound.unregister(holder);
          reserved.add(frontend.sid);
          sound.renew(frontend, leaseMs);
        } else {
          sound.register(frontend, leaseMs);
        }
      },
    };
  }),
  broken("leases never end", ["register", "renew", "forget", "list", "listDead", "unregister"], (sound) => ({
    register: (frontend) => sound.register(frontend, 100_000),
    renew: (frontend) => sound.renew(frontend, 100_000),
  })),
  broken("a lease is never shortened", ["renew"], (sound) => ({
    renew: (frontend, leaseMs) => sound.renew(frontend, Math.max(leaseMs, 60_000)),
  })),
  broken("renew keeps the first lease", ["renew"], (sound) => ({
    renew(frontend, leaseMs) {
      const live = sound
        .list()
        .some(({ sid, incarnation }) => sid === frontend.sid && incarnation === frontend.incarnation);
      return live ? "held" : sound.renew(frontend, leaseMs);
    },
  })),
  broken("renew always says held", ["renew", "unregister", "forget"], (sound) => ({
    renew(frontend, leaseMs) {
      sound.renew(frontend, leaseMs);
      return "held";
    },
  })),
  broken("renew takes the sid from another incarnation", ["register", "renew"], (sound) => ({
    renew(frontend, leaseMs) {
      for (const held of sound.list()) if (held.sid === frontend.sid) sound.unregister(held);
      return sound.renew(frontend, leaseMs);
    },
  })),
  broken("unregister does not look at the incarnation", ["unregister", "list"], (sound) => ({
    unregister({ sid }) {
      const held = sound.list().find((frontend) => frontend.sid === sid);
      return held !== undefined && sound.unregister(held);
    },
  })),
  broken("unregister does nothing", ["unregister", "listDead"], () => ({ unregister: () => true })),
  broken("forget forgets the living", ["forget"], (sound) => ({ forget: (frontend) => sound.unregister(frontend) })),
  broken("forget does nothing", ["forget"], () => ({ forget: () => false })),
  broken("list shows the dead", ["list"], (sound) => ({ list: () => [...sound.list(), ...sound.listDead(0)] })),
  broken("list forgets the type", ["list"], (sound) => ({
    list: () => sound.list().map((frontend) => ({ ...frontend, stype: "connector" })),
  })),
  broken("list knows no case", ["list"], (sound) => ({
    register: (frontend, leaseMs) => sound.register({ ...frontend, sid: frontend.sid.toLowerCase() }, leaseMs),
    renew: (frontend, leaseMs) => sound.renew({ ...frontend, sid: frontend.sid.toLowerCase() }, leaseMs),
  })),
  broken("listDead knows no grace", ["listDead"], (sound) => ({ listDead: () => sound.listDead(0) })),
  broken("listDead remembers for ever", ["listDead", "forget"], (sound) => {
    const dead = new Map<string, FrontendInfo>();
    return {
      listDead(graceMs) {
        for (const frontend of sound.listDead(graceMs)) dead.set(frontend.sid, frontend);
        return [...dead.values()];
      },
    };
  }),
  broken("listDead lists the living", ["listDead"], (sound) => ({
    listDead: (graceMs) => [...sound.listDead(graceMs), ...sound.list()],
  })),
  broken("one frontend more is not listed", ["renew"], (sound) => ({ list: () => sound.list().slice(0, 100) })),
  broken("stop ends the leases", ["stop"], (sound) => ({
    stop() {
      for (const frontend of sound.list()) sound.unregister(frontend);
    },
  })),
  {
    does: "leases end with the connection",
    topics: ["interruption"],
    make() {
      const sound = new MemoryServerRegistry();
      return {
        open: () => sound,
        interrupt() {
          for (const frontend of sound.list()) sound.unregister(frontend);
        },
      };
    },
  },
];
