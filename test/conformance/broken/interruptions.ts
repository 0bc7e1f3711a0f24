import { setTimeout as sleep } from "node:timers/promises";
import type { MemoryChannelManager } from "../../../src/managers/memory.js";
import type { ChannelManager, Membership } from "../../../src/types.js";
import type { Broken } from "./broken.js";
import { Wire, distant } from "./distant.js";
import { broken } from "./manager.js";

/** Managers at a distance from their store, which cannot cope with that. */
function far(
  does: string,
  makeWire?: () => Wire,
  change?: (store: MemoryChannelManager, wire: Wire) => Partial<ChannelManager>,
): Broken<ChannelManager> {
  return { does, topics: ["interruption", "stop"], make: () => distant(makeWire, change) };
}

class SilentWire extends Wire {
  override lost(): Promise<never> {
    return new Promise(() => {});
  }
}

class PlainWire extends Wire {
  override lost(): Promise<never> {
    return Promise.reject(new Error("ECONNRESET"));
  }
}

class UnawareWire extends Wire {
  override tellGap(): void {}
}

/** Says that it is done before it is: a connection that breaks takes it along. */
const soon = (wire: Wire, write: () => unknown) => {
  void sleep(2)
    .then(() => wire.call(write))
    .catch(() => {});
};

export const brokenInterruptions: readonly Broken<ChannelManager>[] = [
  far("a call whose connection breaks never settles", () => new SilentWire()),
  far("a call whose connection breaks fails as the driver does", () => new PlainWire()),
  far("a loss of the connection is not told", () => new UnawareWire()),
  far("what is acknowledged is done later", undefined, (store, wire) => ({
    add(name, uid, sid) {
      soon(wire, () => store.add(name, uid, sid));
      return true;
    },
    leave(name, uid, sid) {
      soon(wire, () => store.leave(name, uid, sid));
      return true;
    },
    addMany(members) {
      soon(wire, () => store.addMany(members));
      return members.length;
    },
    leaveMany(members) {
      soon(wire, () => store.leaveMany(members));
      return members.length;
    },
    destroyChannel(name) {
      soon(wire, () => store.destroyChannel(name));
      return 0;
    },
    evict(frontend, reason) {
      soon(wire, () => store.evict(frontend, reason));
      return 0;
    },
  })),
  far("counts are written after the members, if nothing comes between", undefined, (store, wire) => {
    const counts = new Map<string, number>();
    return {
      async addMany(members) {
        let joined = 0;
        for (let start = 0; start < members.length; start += 100) {
          const some = members.slice(start, start + 100);
          joined += await wire.call(() => store.addMany(some));
        }
        await wire.call(() => {
          for (const { name, sid } of members) counts.set(name, store.getMembersBySid(name, sid).length);
        });
        return joined;
      },
      getMemberSets: (name) =>
        wire.call(() => store.getMemberSets(name).map((set) => ({ ...set, count: counts.get(name) ?? 0 }))),
    };
  }),
  far("what was begun once is not done again", undefined, (store, wire) => {
    const begun = new Set<string>();
    const once = (members: readonly Membership[]) => {
      const key = JSON.stringify(members[0]);
      return !begun.has(key) && begun.add(key);
    };
    return {
      async addMany(members) {
        if (!once(members)) return 0;
        return wire.call(() => store.addMany(members.slice(0, 200)));
      },
    };
  }),
  far("an instance that stops takes along what it has added", undefined, (store, wire) => {
    const added: Membership[] = [];
    return {
      stop() {
        wire.close();
        store.leaveMany(added);
      },
      add(name, uid, sid) {
        added.push({ name, uid, sid });
        return wire.call(() => store.add(name, uid, sid));
      },
    };
  }),
  broken("stop refuses to be called again", ["stop"], () => {
    let stopped = false;
    return {
      stop() {
        if (stopped) throw new Error("it has stopped");
        stopped = true;
      },
    };
  }),
];
