import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { chunks } from "../../src/batches.js";
import { GlobalChannelService } from "globalchannel";
import { redis } from "globalchannel/redis";
import { escape, Keys } from "../../src/redis/keys.js";
import type { Cluster, Membership, RpcTransport } from "../../src/types.js";
import type { NodeProcess } from "../../test/support/process.js";
import { FILL_BATCH, TIMEOUT_MS } from "../contenders/contender.js";
import { goFirst } from "../support/go-first.js";
import { membersOf } from "../support/names.js";
import { startRedisStore, type Store } from "../support/redis-store.js";
import type { Scope } from "../support/scope.js";
import { expectNoErrors, startFrontends } from "./frontends.js";
import type { FrontendsApi } from "./frontends-process.js";
import { SIDS } from "./places.js";

/** The channel that half of the memberships are of; the others are of channels `small-0`, `small-1`, ... */
export const LARGE = "large";
const PER_SMALL = 100;

/** The frontend that dies, and all others. */
export const [MORTAL, ...OTHERS] = SIDS.toReversed() as [string, ...string[]];

/** A death should be noticed soon; the others are alive, however busy the machine is. */
const LEASE_MS = { mortal: 3000, others: 60_000 };
const GRACE_MS = 2000;
const REAP_INTERVAL_MS = 200;

const POLL_MS = 20;
const PATIENCE_MS = 120_000;

/** Frontends, services, and users who are each in one large and one small channel, at the frontend where they are connected. */
export class LargeCluster {
  readonly client: Redis;
  readonly redis: Store;
  readonly service: GlobalChannelService;
  /** One whose pushes name their uids. */
  readonly namingService: GlobalChannelService;
  readonly cluster: Cluster;
  readonly keys = new Keys("gc", 0);
  readonly users: readonly { uid: string; sid: string }[];
  /** How many joins and leaves a listener was told of. */
  events = 0;
  readonly #scope: Scope;
  #mortal: NodeProcess<FrontendsApi> | undefined;
  #others: NodeProcess<FrontendsApi> | undefined;

  private constructor(scope: Scope, store: Store, users: number) {
    this.#scope = scope;
    this.redis = store;
    const { url } = store;
    this.client = new Redis(url);
    scope.defer(() => this.client.disconnect());
    this.cluster = redis(url);
    const options = { timeoutMs: TIMEOUT_MS, graceMs: GRACE_MS };
    this.service = new GlobalChannelService({ ...options, cluster: this.cluster, reapIntervalMs: REAP_INTERVAL_MS });
    const { manager, registry, transport } = this.cluster;
    const cluster = { manager, registry, transport: namingUids(transport) };
    this.namingService = new GlobalChannelService({ ...options, cluster, reapIntervalMs: 600_000 });
    this.users = membersOf(users, SIDS);
  }

  /** Everything ends with `scope`. @param users each has two memberships */
  static async start(scope: Scope, users: number): Promise<LargeCluster> {
    const cluster = new LargeCluster(scope, await startRedisStore(scope), users);
    goFirst(cluster.redis.pid);
    for (const service of [cluster.service, cluster.namingService]) {
      await service.start();
      scope.defer(() => service.stop(true));
    }
    return cluster;
  }

  get smallChannels(): number {
    return this.users.length / PER_SMALL;
  }

  async startOthers(): Promise<void> {
    const { url } = this.redis;
    this.#others = await startFrontends(this.#scope, { url, sids: OTHERS, leaseMs: LEASE_MS.others });
  }

  /** Starts a frontend, maybe in the place of one that has died. */
  async startMortal(): Promise<void> {
    const { url } = this.redis;
    this.#mortal = await startFrontends(this.#scope, { url, sids: [MORTAL], leaseMs: LEASE_MS.mortal });
  }

  async stopMortal(): Promise<void> {
    await this.#mortal?.call("stop");
    await this.killMortal();
  }

  async killMortal(): Promise<void> {
    await this.#mortal?.kill();
    this.#mortal = undefined;
  }

  /** Resolves when some service has removed everything of the frontend that was killed. */
  async mortalForgotten(): Promise<void> {
    await until("a dead frontend is cleaned up", async () => {
      return (await this.client.hexists(this.keys.servers, escape(MORTAL))) === 0;
    });
  }

  usersAt(sid: string): string[] {
    return this.users.filter((user) => user.sid === sid).map(({ uid }) => uid);
  }

  /** All of them, in the order of the channels, or those at one frontend. */
  memberships(sid?: string): Membership[] {
    const all = this.users.map((user, index) => ({ ...user, name: `small-${Math.floor(index / PER_SMALL)}` }));
    return [...this.users.map((user) => ({ ...user, name: LARGE })), ...all].filter((one) => !sid || one.sid === sid);
  }

  /** Makes members, many in each call. Resolves how many were none before. */
  async add(memberships: readonly Membership[]): Promise<number> {
    let added = 0;
    for (const batch of chunks(memberships, FILL_BATCH)) added += await this.service.addMany(batch);
    return added;
  }

  /** Opens sessions and waits until the store knows. */
  async open(sid: string, uids: readonly string[]): Promise<void> {
    const before = await this.client.scard(this.keys.usersAt(sid));
    await this.#frontendsOf(sid).call("open", sid, uids);
    await this.usersCounted(sid, before + uids.length);
  }

  /** Closes sessions and waits until the store knows. */
  async close(sid: string, uids: readonly string[]): Promise<void> {
    const before = await this.client.scard(this.keys.usersAt(sid));
    await this.#frontendsOf(sid).call("close", sid, uids);
    await this.usersCounted(sid, before - uids.length);
  }

  usersCounted(sid: string, count: number): Promise<void> {
    return until(`${count} users at ${sid}`, async () => (await this.client.scard(this.keys.usersAt(sid))) === count);
  }

  /** Begins to listen for joins and leaves. */
  listen(): void {
    for (const event of ["join", "leave"] as const) this.service.on(event, () => this.events++);
  }

  /** @throws if something went wrong meanwhile at the frontends that are alive */
  async check(): Promise<void> {
    for (const frontends of [this.#others, this.#mortal]) if (frontends) await expectNoErrors(frontends);
  }

  #frontendsOf(sid: string): NodeProcess<FrontendsApi> {
    return (sid === MORTAL ? this.#mortal : this.#others)!;
  }
}

/** Waits until it is so. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const endAt = Date.now() + PATIENCE_MS; !(await isSo()); await sleep(POLL_MS)) {
    if (Date.now() > endAt) throw new Error(`it is not so after ${PATIENCE_MS / 1000} s that: ${what}`);
  }
}

/** A transport as an application's own may be: it knows no channels. */
function namingUids(transport: RpcTransport): RpcTransport {
  return {
    limits: { uidsOnly: true },
    start: () => transport.start?.(),
    stop: (force) => transport.stop?.(force),
    request: (sid, request, options) => transport.request(sid, request, options),
    serve: (sid, handler) => transport.serve(sid, handler),
  };
}
