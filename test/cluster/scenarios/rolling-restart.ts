import {
  Client,
  connectClients,
  DEFAULTS,
  eventually,
  memberships,
  type Owner,
  type RunningCluster,
  type RunningFrontend,
  startCluster,
} from "../cluster.js";
import { addsUp, type CallOutcome, isComplete } from "../outcome.js";

/**
 * Where clients go when their frontend stops: they wait until it is back; to one that was restarted already; or to the one that
 * is next, so that they have to move again and again. Those who can go nowhere else wait.
 */
export type Destination = "home" | "restarted" | "next";

export interface RollingRestartPlan {
  frontends: number;
  /** Real clients of each frontend. */
  clients: number;
  destination: Destination;
  everyMs: number;
  leaseMs?: number;
  /** Of the services. @default that of the product, 0 */
  leaveDelayMs?: number;
  say?: (progress: string) => void;
}

export interface RollingRestartResult {
  pushes: number;
  /** Of those, the ones that reached every client. */
  complete: number;
  /** Reports that do not account for every member. */
  wrong: CallOutcome[];
  users: number;
  /** The leave/join pairs of users that a listener was told of: in all, and of the one who had most. */
  flaps: number;
  mostFlaps: number;
  /** Members at the end, and how many of them a push reached then. */
  members: number;
  reached: number;
}

const ROOM = "room";

/** Restarts one frontend after the other under load, while their clients come back. */
export async function restartOneByOne(owner: Owner, plan: RollingRestartPlan): Promise<RollingRestartResult> {
  const { destination, everyMs, say, leaseMs = DEFAULTS.leaseMs, leaveDelayMs = 0 } = plan;
  const cluster = await startCluster(owner, {
    ...DEFAULTS,
    leaseMs,
    leaveDelayMs,
    frontends: plan.frontends,
    backends: 2,
  });
  const [backend, listener] = cluster.backends;
  const clients = await connectClients(owner, cluster.frontends, plan.clients);
  await backend!.call("addMany", memberships(ROOM, clients));
  await listener!.call("takeEvents");
  await backend!.call("startLoad", ROOM, everyMs);

  const roamers = clients.map((client) => new Roamer(owner, client, cluster));
  const frontends = [...cluster.frontends];
  for (const [index, { sid, process }] of frontends.entries()) {
    say?.(`to ${destination}: restarting ${sid}`);
    const here = roamers.filter(({ client }) => client.sid === sid);
    const open = destination === "next" ? frontends.slice(index + 1, index + 2) : frontends.slice(0, index);
    const leaving = here.map(async (roamer, place) => {
      await roamer.client.closed();
      if (destination !== "home" && open.length > 0) await roamer.goTo(open[place % open.length]!);
    });
    await process.call("stop");
    await process.kill();
    frontends[index] = await cluster.startFrontend({ sid });
    await Promise.all(leaving);
    await Promise.all(here.filter(({ client }) => client.sid === sid).map((roamer) => roamer.goTo(frontends[index]!)));
  }
  await eventually(async () => (await backend!.call("count", ROOM)) === clients.length, 10_000).catch(() => {});
  const pushes = await backend!.call("stopLoad", ROOM);
  const last = await backend!.call("push", "last", null, ROOM);
  await eventually(() => roamers.every(({ client }) => client.of("last").length === 1), 5000).catch(() => {});

  const events = await listener!.call("takeEvents");
  const flaps = clients.map(({ uid }) => {
    const of = (type: string): number => events.filter((event) => event.uid === uid && event.type === type).length;
    return Math.min(of("leave"), of("join"));
  });
  return {
    pushes: pushes.length,
    complete: pushes.filter((push) => isComplete(push, clients.length)).length,
    wrong: pushes.filter((push) => !addsUp(push)),
    users: clients.length,
    flaps: flaps.reduce((sum, count) => sum + count, 0),
    mostFlaps: Math.max(...flaps),
    members: await backend!.call("count", ROOM),
    reached: last.report === undefined ? 0 : roamers.filter(({ client }) => client.of("last").length === 1).length,
  };
}

/** A client that comes back. */
class Roamer {
  client: Client;
  readonly #owner: Owner;
  readonly #cluster: RunningCluster;

  constructor(owner: Owner, client: Client, cluster: RunningCluster) {
    this.#owner = owner;
    this.client = client;
    this.#cluster = cluster;
  }

  /** Connects to a frontend, and has itself made a member there, as an application does when a client comes. */
  async goTo(frontend: RunningFrontend): Promise<void> {
    const { uid } = this.client;
    this.client = await Client.connect(this.#owner, uid, frontend);
    await this.#cluster.backends[0]!.call("addMany", memberships(ROOM, [this.client]));
  }
}
