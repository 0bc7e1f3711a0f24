import { fileURLToPath } from "node:url";
import { decodeFromCompressedBase64 } from "hdr-histogram-js";
import { Redis } from "ioredis";
import {
  type FrameworkCluster,
  type FrameworkServer,
  startFrameworkCluster,
} from "../../test/cluster/frameworks/framework-cluster.js";
import type { NodeProcess } from "../../test/support/process.js";
import { startRedis } from "../../test/support/redis-server.js";
import { type Profiled, profiled, type Profilee } from "../support/profiling.js";
import { startChild } from "../support/child.js";
import type { Scope } from "../support/scope.js";
import type { Adds, AddsOutcome } from "./adds.js";
import type { ClientPlace, ClientsApi } from "./client-process.js";
import { channelOf, type ContenderName, PADDING, pluginOf, ROUTE, STYPE, usersAt } from "./contender.js";
import { combine } from "./costs.js";
import { Meter } from "./meter.js";
import { type CallSample, callbackPercentiles, newHistogram, percentileMs, type PushSample } from "./sample.js";
import { ADD } from "./server-setup.js";

const CLIENT_PROCESSES = 2;
const ARRIVAL_TIMEOUT_MS = 30_000;
/** None while the bench runs: clients have other things to do. */
const HEARTBEAT_SECONDS = 24 * 3600;

export interface ApplicationOptions {
  contender: ContenderName;
  connectors: number;
  /** How many. @default none */
  clients?: number;
}

export interface Pushes {
  /** A channel with so many members, which was filled. */
  members: number;
  outstanding: number;
  pushes: number;
}

/** A Pomelo application that uses one of the contenders: a cluster on a Redis of its own, with its clients. */
export class BenchApplication {
  readonly contender: ContenderName;
  readonly #cluster: FrameworkCluster;
  readonly #clients: readonly NodeProcess<ClientsApi>[];
  readonly #meter: Meter;

  private constructor(
    contender: ContenderName,
    cluster: FrameworkCluster,
    clients: readonly NodeProcess<ClientsApi>[],
    meter: Meter,
  ) {
    this.contender = contender;
    this.#cluster = cluster;
    this.#clients = clients;
    this.#meter = meter;
  }

  /** Everything ends with `scope`. */
  static async start(scope: Scope, options: ApplicationOptions): Promise<BenchApplication> {
    const { contender, connectors, clients = 0 } = options;
    const server = await startRedis();
    scope.defer(() => server.stop());
    const redis = new Redis(server.url);
    scope.defer(() => redis.disconnect());
    const cluster = await startFrameworkCluster(
      { teardown: (end) => scope.defer(end) },
      {
        framework: "pomelo",
        ...pluginOf(contender, server),
        ...{ connectors, backends: 1, heartbeatSeconds: HEARTBEAT_SECONDS },
        setup: fileURLToPath(new URL("server-setup.ts", import.meta.url)),
      },
    );
    const places = usersAt(connectors, clients).map(({ uid, connector }, index) => {
      return { index, uid, port: cluster.connectors[connector]!.clientPort };
    });
    const connected = await connectClients(scope, places);
    return new BenchApplication(contender, cluster, connected, new Meter(cluster, redis));
  }

  /** Makes the first users the members of a channel. */
  async fill(members: number): Promise<void> {
    await this.#add({ room: roomOf(members), membersPerChannel: members, adds: members, outstanding: 100 });
  }

  /** What the application does by itself is not counted from now on. */
  async measureIdle(seconds: number): Promise<void> {
    await this.#meter.measureIdle(seconds);
  }

  /** Pushes until all clients have got everything. Fails if one of them gets a message twice, or one that is not for it. */
  async push({ members, outstanding, pushes }: Pushes): Promise<PushSample> {
    for (const clients of this.#clients) await clients.call("expect", { members, pushes });
    const measure = <T>(work: () => Promise<T>) =>
      profiled(this.#profiled(`N=${members},${outstanding}`), () => this.#meter.measure(work));
    const { result, costs } = await measure(async () => {
      const outcome = await this.#cluster.backends[0]!.process.call("burst", {
        ...{ stype: STYPE, route: ROUTE, name: channelOf(roomOf(members), 0), size: PADDING },
        ...{ pushes, outstanding },
      });
      const received = this.#clients.map((clients) => clients.call("received", ARRIVAL_TIMEOUT_MS));
      return { ...outcome, received: await Promise.all(received) };
    });
    const { startedAt, endedAt, failures, latenciesMs, received } = result;
    const toClient = newHistogram();
    for (const { microseconds } of received) toClient.add(decodeFromCompressedBase64(microseconds));
    const lost = pushes * members - toClient.totalCount;
    if (failures > 0 || lost !== 0)
      throw new Error(`${this.contender}: ${failures} pushes failed, ${lost} messages lost`);
    const doneAt = Math.max(endedAt, ...received.map(({ lastAt }) => lastAt));
    return {
      perSecond: (pushes / (doneAt - startedAt)) * 1000,
      acknowledgedPerSecond: (pushes / (endedAt - startedAt)) * 1000,
      ...callbackPercentiles(latenciesMs),
      clientP50Ms: percentileMs(toClient, 50),
      clientP99Ms: percentileMs(toClient, 99),
      ...combine((cost) => costs[cost] / pushes),
    };
  }

  /** Makes users members. */
  async add(adds: Omit<Adds, "sids">): Promise<CallSample> {
    const { result, costs } = await profiled(this.#profiled(`adds,${adds.outstanding}`), () =>
      this.#meter.measure(() => this.#add(adds)),
    );
    return {
      perSecond: (adds.adds / result.elapsedMs) * 1000,
      ...callbackPercentiles(result.latenciesMs),
      ...combine((cost) => costs[cost] / adds.adds),
    };
  }

  /** Fails if clients have got something meanwhile that they should not have, or a server has logged an error. */
  async check(): Promise<void> {
    for (const clients of this.#clients) await clients.call("check");
    for (const { sid, process } of this.#cluster.servers) {
      const error = process.output.split("\n").find((line) => /error/i.test(line));
      if (error !== undefined) throw new Error(`${this.contender}: ${sid} says ${error}`);
    }
  }

  /** With `--profile`: its backend and one of the connectors. What is measured comes after what is not, and remains. */
  #profiled(load: string): Profiled {
    const [backend, connector] = [this.#cluster.backends[0]!, this.#cluster.connectors[0]!];
    const profilee = (server: FrameworkServer): Profilee => ({ call: (name: string) => server.ask<never>(name) });
    return {
      contender: this.contender,
      cell: `${this.#cluster.connectors.length} connectors,${load}`,
      processes: { backend: profilee(backend), connector: profilee(connector) },
    };
  }

  async #add(adds: Omit<Adds, "sids">): Promise<AddsOutcome> {
    const sids = this.#cluster.connectors.map(({ sid }) => sid);
    return (await this.#cluster.backends[0]!.process.call("callPromise", ADD, { ...adds, sids })) as AddsOutcome;
  }
}

function connectClients(scope: Scope, places: readonly ClientPlace[]): Promise<NodeProcess<ClientsApi>[]> {
  const processes = places.length > 0 ? CLIENT_PROCESSES : 0;
  return Promise.all(
    Array.from({ length: processes }, async (_, n) => {
      const clients = await startChild<ClientsApi>(scope, new URL("client-process.ts", import.meta.url));
      const own = places.filter(({ index }) => index % processes === n);
      await clients.call("connect", own);
      return clients;
    }),
  );
}

function roomOf(members: number): string {
  return `room-of-${members}`;
}
