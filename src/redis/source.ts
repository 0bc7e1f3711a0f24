import { Cluster, Redis, type ClusterNode, type ClusterOptions, type RedisOptions } from "ioredis";
import { describe, invalid } from "../arguments.js";
import { invalidOption } from "../options.js";
import { PREFIX_PATTERN } from "./keys.js";

/** A Redis Cluster: some of its nodes, by which the others are found, and ioredis' options for it. */
export interface RedisClusterSource extends ClusterOptions {
  cluster: readonly ClusterNode[];
}

/** A `Redis` of ioredis 5 or 6, as far as they are the same to TypeScript, which takes neither class for the other. */
export interface RedisClient extends Pick<Redis, "status" | "stream" | "defineCommand"> {
  readonly options: CheckedOptions;
  duplicate(): unknown;
}

/** A `Cluster` of ioredis 5 or 6. See {@link RedisClient}. */
export interface RedisClusterClient extends Pick<
  Cluster,
  "status" | "isCluster" | "slots" | "defineCommand" | "refreshSlotsCache"
> {
  readonly options: CheckedOptions;
  nodes(): RedisClient[];
  duplicate(): unknown;
}

/** The options that are looked at, of clients that are there already, too. */
type CheckedOptions = Pick<RedisOptions, "db" | "role" | "stringNumbers"> &
  Pick<ClusterOptions, "scaleReads" | "keyPrefix" | "enableAutoPipelining"> & {
    redisOptions?: Pick<RedisOptions, "db" | "keyPrefix" | "stringNumbers" | "enableAutoPipelining"> | undefined;
  };

/**
 * How to reach Redis: a URL (`redis://:password@host:port/db`, `rediss://` for TLS); ioredis options, with `sentinels` and `name`
 * for a Redis that Sentinel watches; `{ cluster: [nodes] }`, with ioredis' cluster options; or a client, a `Redis` or `Cluster` of
 * ioredis 5 or 6.
 */
export type RedisSource = string | RedisOptions | RedisClusterSource | RedisClient | RedisClusterClient;

/**
 * The first has numbers read as text. With the second, ioredis throws where nobody can catch it when a script is defined while
 * commands wait to go together, be they the application's own.
 */
const MUST_BE_OFF = ["stringNumbers", "enableAutoPipelining"] as const;

/** How long a new connection may take, in milliseconds. */
export const CONNECT_TIMEOUT_MS = 5000;
/** The same, to one server of a cluster: what waits for it meanwhile may be done by its replica. */
const NODE_CONNECT_TIMEOUT_MS = 1000;
/** After how long without an answer a connection counts as dead that is just being made, or is for subscriptions, in milliseconds. */
export const SOCKET_TIMEOUT_MS = 3000;
/** The same where a replica may be the primary by then. */
const WATCHED_SOCKET_TIMEOUT_MS = 1000;
/** The longest pause between two attempts to connect again, in milliseconds. */
const MAX_RETRY_MS = 250;
/** How often a command is sent again, 50 ms later, whose keys are on their way from one server of a cluster to another: for 5 s. */
const MAX_REDIRECTIONS = 100;
const TRY_AGAIN_MS = 50;

/** Not all processes at the same time. */
export function retryStrategy(attempt: number): number {
  return Math.min(20 * 2 ** Math.min(attempt, 10), MAX_RETRY_MS) * (0.5 + Math.random() / 2);
}

/** Whether an error says that this server is no primary any more: Sentinel has named another one. */
function isOfReplica({ message }: Error): boolean {
  return message.startsWith("READONLY");
}

/** Whether the application's own options say that this error asks for a new connection: no command is sent again by that. */
function reconnects({ reconnectOnError }: Pick<RedisOptions, "reconnectOnError"> = {}, error: Error): boolean {
  return Boolean(reconnectOnError?.(error));
}

/** Callers decide whether to try again: a command that was sent twice could deliver twice. */
const FAIL_FAST = {
  replyMapping: "legacy",
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  lazyConnect: true,
} as const;

const TIMEOUTS = {
  connectTimeout: CONNECT_TIMEOUT_MS,
  socketTimeout: SOCKET_TIMEOUT_MS,
  // ioredis waits this long even for a stream that is closed already, and keeps the process alive meanwhile.
  disconnectTimeout: 100,
};

const NODE_TIMEOUTS = { connectTimeout: NODE_CONNECT_TIMEOUT_MS, socketTimeout: WATCHED_SOCKET_TIMEOUT_MS };

/** The client for a standalone Redis, or the primary that Sentinel names: the injected one, or a new one. */
export function createServerClient(source: string | RedisOptions): Redis {
  const given = typeof source === "object" ? source : {};
  const options: Omit<RedisOptions, "replyMapping"> & { replyMapping: "legacy" } = {
    ...TIMEOUTS,
    ...(given.sentinels && { socketTimeout: WATCHED_SOCKET_TIMEOUT_MS }),
    ...given,
    ...FAIL_FAST,
    enableOfflineQueue: false,
    retryStrategy,
    reconnectOnError: (error) => isOfReplica(error) || reconnects(given, error),
  };
  const client = typeof source === "string" ? new Redis(source, options) : new Redis(options);
  return silenced(client);
}

/** The client for a cluster. Commands wait only for connections that are just being made. */
export function createClusterClient({ cluster, redisOptions, ...options }: RedisClusterSource): Cluster {
  const client = new Cluster([...cluster], {
    ...options,
    redisOptions: {
      ...TIMEOUTS,
      ...NODE_TIMEOUTS,
      ...redisOptions,
      ...FAIL_FAST,
      reconnectOnError: (error) => reconnects(redisOptions, error),
    },
    clusterRetryStrategy: retryStrategy,
    enableOfflineQueue: true,
    lazyConnect: true,
    scaleReads: "master",
    // A command whose connection was lost may have been done.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    retryDelayOnTryAgain: TRY_AGAIN_MS,
    maxRedirections: MAX_REDIRECTIONS,
  });
  return silenced(client);
}

/** Every command rejects by itself; without a listener ioredis prints, or throws, what it meets between commands. */
function silenced<T extends Redis | Cluster>(client: T): T {
  client.on("error", () => {});
  return client;
}

/** Whether the application has given a time limit of its own. */
export function hasTimeLimit(source: RedisSource): boolean {
  if (typeof source !== "object" || isClient(source)) return false;
  return (isClusterSource(source) ? source.redisOptions : source)?.socketTimeout !== undefined;
}

export function isClient(source: unknown): source is RedisClient | RedisClusterClient {
  return typeof source === "object" && source !== null && "duplicate" in source && "defineCommand" in source;
}

export function isClusterClient(source: RedisClient | RedisClusterClient): source is RedisClusterClient {
  return "isCluster" in source && source.isCluster;
}

export function isClusterSource(source: RedisSource): source is RedisClusterSource {
  return typeof source === "object" && !isClient(source) && "cluster" in source;
}

/** The number of the database; a cluster has but one. */
export function databaseOf(source: string | RedisOptions | RedisClient): number {
  if (typeof source !== "string") return (isClient(source) ? source.options : source).db ?? 0;
  const { pathname, searchParams } = new URL(source);
  return Number(pathname.slice(1) || searchParams.get("db") || 0);
}

export function checkPrefix(option: string, prefix: unknown = "gc"): string {
  if (typeof prefix !== "string" || !PREFIX_PATTERN.test(prefix)) {
    throw invalid(
      option,
      prefix,
      "1 to 128 letters, digits or _ . : @ / -, without a part such as :u or :servers that keys have",
    );
  }
  return prefix;
}

/** @throws `GC_INVALID_OPTION` */
export function checkSource(source: unknown): RedisSource {
  if (typeof source === "string") {
    if (!/^rediss?:\/\//.test(source) || !URL.canParse(source) || !Number.isInteger(databaseOf(source))) {
      const shown = source.replace(/\/\/.*@/s, "//***@");
      throw invalidOption("redis", "url", shown, "a URL such as redis://127.0.0.1:6379/0");
    }
    return source;
  }
  if (typeof source !== "object" || source === null) {
    const what = "a URL, ioredis options, { cluster: [...] } or an ioredis client";
    throw invalidOption("redis", "connection", source, what);
  }
  const given = source as Exclude<RedisSource, string>;
  if (isClient(given)) checkOptions(given.options);
  else if (isClusterSource(given)) checkCluster(given);
  else checkServer(given);
  return given;
}

function checkServer(options: RedisOptions): void {
  if (options.sentinels && !options.name) {
    throw invalidOption("redis", "name", options.name, "the name that the sentinels have for the primary");
  }
  checkOptions(options);
}

function checkCluster(source: RedisClusterSource): void {
  const { cluster } = source;
  if (!Array.isArray(cluster) || cluster.length === 0) {
    throw invalidOption("redis", "cluster", cluster, "a list of nodes, as [{ host: '127.0.0.1', port: 7000 }]");
  }
  checkOptions(source);
}

/** Of a client that is there already, too: what would make it do something else than is relied on. */
function checkOptions(options: CheckedOptions): void {
  const keyPrefix = options.keyPrefix || options.redisOptions?.keyPrefix;
  if (keyPrefix) {
    throw invalidOption("redis", "keyPrefix", keyPrefix, "left out: give { prefix } to redis() instead");
  }
  for (const option of MUST_BE_OFF) {
    const value = options[option] || options.redisOptions?.[option];
    if (value) throw invalidOption("redis", option, value, "false, maybe in a duplicate() of the client");
  }
  const { role } = options;
  if (role === "slave") throw invalidOption("redis", "role", role, "left out: a replica can be asked for nothing");
  const { scaleReads = "master" } = options;
  if (scaleReads !== "master") {
    throw invalidOption("redis", "scaleReads", describe(scaleReads), "master: replicas may be behind");
  }
  if (options.redisOptions?.db) {
    throw invalidOption("redis", "db", options.redisOptions.db, "left out: a Redis Cluster has only database 0");
  }
}
