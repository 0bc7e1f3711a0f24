// A backend: it manages channels and pushes, and holds no client connections.
import { subscribe } from "node:diagnostics_channel";
import { once } from "node:events";

// In your project: from "globalchannel" and from "globalchannel/redis".
import {
  GlobalChannelService,
  type Cluster,
  type ErrorMessage,
  type MembershipEvent,
  type MembershipInput,
} from "../../src/index.js";
import { redis } from "../../src/redis/index.js";
import { serveParent } from "../../test/support/process.js";
import { GRACE_MS, STYPE } from "./settings.js";

export type BackendApi = Awaited<ReturnType<typeof startBackend>>;

/** Starts a backend, and gives the demo functions to command it. Yours would be called by HTTP, a queue, a timer ... */
export async function startBackend(cluster: Cluster) {
  const service = new GlobalChannelService({ cluster, graceMs: GRACE_MS, reapIntervalMs: 250 });
  const leaves: MembershipEvent[] = [];
  service.on("leave", (event) => leaves.push(event));
  await service.start();

  return {
    addMany: (memberships: MembershipInput[]) => service.addMany(memberships),
    leave: (channel: string, uid: string, sid: string) => service.leave(channel, uid, sid),
    count: (channel: string) => service.count(channel),
    members: (channel: string) => service.getMembersByChannelName(STYPE, channel),

    /** To the members of all these channels, with one copy for each user. */
    push: (channels: string[], route: string, msg: unknown, except: string[] = []) =>
      service.pushMessage(STYPE, route, msg, channels, { except }),

    /** To everyone who is connected, member of a channel or not. */
    broadcast: (route: string, msg: unknown) => service.broadcast(STYPE, route, msg),

    /** Waits until so many members have left since the last call, and tells who and why. */
    async leaves(amount: number) {
      while (leaves.length < amount) await once(service, "leave");
      return leaves.splice(0);
    },

    /** From now on the members of a channel are told who comes and goes. */
    announce() {
      for (const type of ["join", "leave"] as const) {
        service.on(type, ({ name: channel, uid, sid, reason }) => {
          const route = type === "join" ? "onJoin" : "onLeave";
          service.pushMessage(STYPE, route, { channel, uid, sid, reason }, channel).catch(console.error);
        });
      }
    },

    stop: () => service.stop(),
  };
}

// When this file is run, it is a process of its own.
if (process.argv[1] === import.meta.filename) {
  // Errors that no caller waits for. A real app logs them.
  subscribe("globalchannel:error", (message) => console.error((message as ErrorMessage).error.message));
  const { DEMO_REDIS_URL = "", DEMO_PREFIX = "" } = process.env;
  serveParent(await startBackend(redis(DEMO_REDIS_URL, { prefix: DEMO_PREFIX })));
}
