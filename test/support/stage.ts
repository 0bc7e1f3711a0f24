import { randomUUID } from "node:crypto";
import diagnostics from "node:diagnostics_channel";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import {
  Frontend,
  GlobalChannelService,
  memory,
  type Cluster,
  type ErrorMessage,
  type FrontendOptions,
  type GlobalChannelServiceOptions,
  type HistoryLimits,
  type Membership,
  type ServerRegistry,
} from "../../src/index.js";
import { MysqlChannelManager } from "../../src/managers/mysql/index.js";
import { redis } from "../../src/redis/index.js";
import { eventually } from "../cluster/cluster.js";
import { mysqlTest, useMysql, type TestDatabase } from "./mysql-tests.js";
import { RecordingConnector } from "./recording-connector.js";
import { startRedisCluster, type RedisCluster } from "./redis-cluster.js";
import { startRedis, type RedisServer } from "./redis-server.js";

/** A frontend without sockets. */
export interface StagedFrontend {
  frontend: Frontend;
  clients: RecordingConnector;
}

/** What the clusters of a stage are made with. */
export interface StageOptions {
  /** Which channels keep how much. @default none */
  history?: Readonly<Record<string, HistoryLimits | false>>;
}

type Store = { redis: RedisServer } | { redisCluster: RedisCluster } | { mysql: TestDatabase };

/** One cluster for one test, all of which ends with it. */
export class Stage {
  readonly kind: "memory" | "redis" | "redis-cluster" | "mysql";
  /** How to reach the same cluster: as another process would, where that is possible. */
  readonly cluster: () => Cluster;
  /** Where its Redis is, or undefined if it has none, or several. */
  readonly url: string | undefined;
  readonly #t: ExecutionContext;
  readonly prefix = randomUUID();

  /** @param store where the members are: in memory if there is none; a MySQL is one for the members alone */
  constructor(t: ExecutionContext, store?: Store, options: StageOptions = {}) {
    this.#t = t;
    const shared = memory(options);
    const ofRedis = { prefix: this.prefix, ...options };
    if (!store) {
      this.kind = "memory";
      this.cluster = () => shared;
    } else if ("redis" in store) {
      this.kind = "redis";
      this.url = store.redis.url;
      this.cluster = () => redis(store.redis.url, ofRedis);
    } else if ("redisCluster" in store) {
      this.kind = "redis-cluster";
      this.cluster = () => redis({ cluster: store.redisCluster.startupNodes }, ofRedis);
    } else {
      this.kind = "mysql";
      const source = { uri: store.mysql.url, connectionLimit: 2 };
      this.cluster = () => ({ ...shared, manager: new MysqlChannelManager(source, { pollMs: 25 }) });
    }
  }

  /** A cluster for one frontend that can crash: on Redis its connections break for good, elsewhere its lease ends. */
  crashing(): { cluster: Cluster; crash(): void } {
    if (this.url === undefined) {
      const { cluster, cut } = cuttable(this.cluster());
      return { cluster, crash: cut };
    }
    const client = new Redis(this.url, { lazyConnect: true });
    const clients = [client];
    const duplicate = client.duplicate.bind(client);
    client.duplicate = (options) => {
      const copy = duplicate(options);
      clients.push(copy);
      return copy;
    };
    const crash = (): void => {
      for (const each of clients) each.disconnect();
    };
    this.#t.teardown(crash);
    return { cluster: redis(client, { prefix: this.prefix }), crash };
  }

  async service(options: Partial<GlobalChannelServiceOptions> = {}): Promise<GlobalChannelService> {
    const service = new GlobalChannelService({ cluster: this.cluster(), ...options });
    this.#t.teardown(() => service.stop(true));
    await service.start();
    return service;
  }

  /** The events of the cluster from now on, as `<type> <uid>@<sid> <name> <reason>`, as a service of their own hears them. */
  async events(options: Partial<GlobalChannelServiceOptions> = {}): Promise<string[]> {
    const service = new GlobalChannelService({ cluster: this.cluster(), ...options });
    this.#t.teardown(() => service.stop(true));
    const events: string[] = [];
    for (const type of ["join", "leave"] as const) {
      service.on(type, ({ name, uid, sid, reason }) => events.push(`${type} ${uid}@${sid} ${name} ${reason}`));
    }
    await service.start();
    return events;
  }

  async frontend(sid: string, options: Partial<FrontendOptions> = {}): Promise<StagedFrontend> {
    const staged = this.newFrontend(sid, options);
    await staged.frontend.start();
    return staged;
  }

  /** One that is not started. */
  newFrontend(sid: string, options: Partial<FrontendOptions> = {}): StagedFrontend {
    const clients = new RecordingConnector();
    const frontend = new Frontend({ sid, stype: "connector", cluster: this.cluster(), connector: clients, ...options });
    // What fails there has its own test, and one that was cut off cannot stop well.
    this.#t.teardown(() => {
      clients.resume();
      return frontend.stop().catch(() => {});
    });
    return { frontend, clients };
  }
}

type Body = (t: ExecutionContext, stage: Stage) => Promise<void>;

type Declare = (title: string, body: Body) => void;

/**
 * Declares tests that run in memory, on a real Redis, on a real Redis Cluster and, where there is one, on a real MySQL, one each for
 * the file.
 */
export function onEveryStage(options: StageOptions = {}): Declare & {
  /** No other test of the file runs meanwhile: for what is about time. */
  alone: Declare;
  /** The same, on Redis only: for what is done to a whole server. */
  onRedisAlone: Declare;
} {
  let server: RedisServer;
  let redisCluster: RedisCluster;
  const mysql = useMysql();
  test.before(async () => {
    server = await startRedis();
    redisCluster = await startRedisCluster({ replicas: 0 });
  });
  test.after.always(async () => {
    await redisCluster?.stop();
    await server?.stop();
  });
  const inMemory = (body: Body) => (t: ExecutionContext) => body(t, new Stage(t, undefined, options));
  const onRedis = (body: Body) => (t: ExecutionContext) => body(t, new Stage(t, { redis: server }, options));
  const onRedisCluster = (body: Body) => (t: ExecutionContext) => body(t, new Stage(t, { redisCluster }, options));
  const onMysql = (body: Body) => async (t: ExecutionContext) => {
    const database = await mysql.createDatabase();
    // Torn down in the opposite order: this after all that uses it.
    t.teardown(() => database.drop());
    await body(t, new Stage(t, { mysql: database }, options));
  };
  const declare: Declare = (title, body) => {
    test(`in memory: ${title}`, inMemory(body));
    test(`on Redis: ${title}`, onRedis(body));
    test(`on a Redis Cluster: ${title}`, onRedisCluster(body));
    mysqlTest(`on MySQL: ${title}`, onMysql(body));
  };
  const onRedisAlone: Declare = (title, body) => test.serial(`on Redis: ${title}`, onRedis(body));
  const alone: Declare = (title, body) => {
    test.serial(`in memory: ${title}`, inMemory(body));
    onRedisAlone(title, body);
    test.serial(`on a Redis Cluster: ${title}`, onRedisCluster(body));
    mysqlTest(`on MySQL: ${title}`, onMysql(body));
  };
  return Object.assign(declare, { alone, onRedisAlone });
}

/** A cluster for one frontend that can be cut off from its leases: then it neither renews nor ends them. */
export function cuttable(cluster: Cluster): { cluster: Cluster; cut(): void; mend(): void } {
  const { registry } = cluster;
  let isCut = false;
  const unlessCut = <A extends unknown[], R>(call: (...args: A) => R) =>
    async function (...args: A): Promise<Awaited<R>> {
      if (isCut) throw new Error("cut off");
      return await call(...args);
    };
  const cutRegistry: ServerRegistry = {
    start: () => registry.start?.(),
    stop: (force) => registry.stop?.(force),
    register: unlessCut(registry.register.bind(registry)),
    renew: unlessCut(registry.renew.bind(registry)),
    unregister: unlessCut(registry.unregister.bind(registry)),
    forget: unlessCut(registry.forget.bind(registry)),
    list: unlessCut(registry.list.bind(registry)),
    listDead: unlessCut(registry.listDead.bind(registry)),
  };
  return {
    cluster: { ...cluster, registry: cutRegistry },
    cut: () => (isCut = true),
    mend: () => (isCut = false),
  };
}

/** A part of a cluster with some of its methods replaced. */
export function replacing<T extends object>(part: T, methods: Partial<T>): T {
  return new Proxy(part, {
    get(target, key) {
      if (key in methods) return methods[key as keyof T];
      const value: unknown = Reflect.get(target, key);
      // Private fields are those of the part itself.
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** What is told on the diagnostics channel of one service or frontend. */
export function errorsOf(t: ExecutionContext, source: object): Error[] {
  const errors: Error[] = [];
  const listener = (message: unknown): void => {
    if ((message as ErrorMessage).source === source) errors.push((message as ErrorMessage).error);
  };
  diagnostics.subscribe("globalchannel:error", listener);
  t.teardown(() => diagnostics.unsubscribe("globalchannel:error", listener));
  return errors;
}

/** Members of one channel at one frontend. */
export function membersAt(sid: string, name: string, uids: readonly string[]): Membership[] {
  return uids.map((uid) => ({ name, uid, sid }));
}

/** Connects users, and resolves when the store knows. */
export async function connect(
  service: GlobalChannelService,
  sid: string,
  clients: RecordingConnector,
  uids: readonly string[],
): Promise<void> {
  for (const uid of uids) clients.connect(uid);
  for (const uid of uids) await eventually(async () => (await service.getSids(uid)).includes(sid), 3000);
}
