import { checkInteger, checkList, checkName, invalid } from "../../arguments.js";
import { GlobalChannelError } from "../../errors.js";
import {
  aBoolean,
  graceMs,
  leaveDelayMs,
  leaseMs,
  missingMethod,
  optional,
  PART_METHODS,
  resolveOptions,
  timeoutMs,
} from "../../options.js";
import { type HistoryPatterns, historyPatterns } from "../../history-limits.js";
import type { RedisSource } from "../../redis/index.js";
import type { CallbackManager, ChannelManager, RpcTransport } from "../../types.js";

/** A manager of the application's own: with promises, or with callbacks as the original has them. */
type PluginManager = ChannelManager | CallbackManager;

/** The options of the plugin: those of pomelo-globalchannel-plugin, and new ones. */
export interface GlobalChannelPluginOptions {
  /** Where Redis is. @default "127.0.0.1" */
  host?: string;
  /** @default 6379 */
  port?: number | string;
  /** The number of the database. @default 0 */
  db?: number | string;
  /** The password. @default none */
  password?: string;
  /** The password, as the original calls it. */
  auth_pass?: string;
  /** A URL, ioredis options or an ioredis client, instead of `host`, `port`, `db` and `password`. */
  redis?: RedisSource;
  /** What every key in Redis begins with. @default "gc" */
  prefix?: string;
  /**
   * Whether this server, when it starts, removes what frontends that are not alive have left. With a manager that cannot tell
   * (see {@link ManagerCapabilities.eviction}) it removes everything. @default false
   */
  cleanOnStartUp?: boolean;
  /** Keeps the members instead of Redis: a manager, or a function that makes one. */
  // oxlint-disable-next-line typescript/no-explicit-any -- each framework has its own application class
  channelManager?: PluginManager | ((app: any, options: GlobalChannelPluginOptions) => PluginManager);
  /**
   * How pushes reach frontends: by the framework's RPC, by Redis (one round trip, whatever the number of frontends and
   * members), or by a transport of the application's own. The same on all servers. @default "rpc"
   */
  transport?: "rpc" | "redis" | RpcTransport;
  /**
   * Which channels keep how much of what is pushed to them, in Redis: see `redis(source, { history })`. Clients are told nothing of it:
   * what they get stays as it is. @default those alone whose pushes say so
   */
  history?: HistoryPatterns;
  /** How long a push waits for answers, in milliseconds. @default 5000 */
  timeoutMs?: number;
  /** The types of servers that use the plugin. @default all but the master */
  serverTypes?: readonly string[];
  /**
   * Whether users leave their channels when their last session at a frontend closes. Needs a manager that keeps versions, as
   * Redis does. @default true
   */
  autoLeave?: boolean;
  /** In Pomelo: whether its RPC sends at once, without waiting to fill a packet (`TCP_NODELAY`); Pinus does. @default true */
  rpcNoDelay?: boolean;
  /** How long the lease of a frontend lasts that is not heard of, in milliseconds: see {@link Frontend}. @default 3000 */
  leaseMs?: number;
  /** How long after that its members are removed for good, in milliseconds. @default 10000 */
  graceMs?: number;
  /** For how long the `leave` event of a user who may come back is held back, in milliseconds. @default 0 */
  leaveDelayMs?: number;
}

export type ResolvedPluginOptions = ReturnType<typeof resolvePluginOptions>;

/** @throws `GC_INVALID_OPTION` */
export function resolvePluginOptions(given: unknown) {
  const options = resolveOptions("globalChannel", given, {
    host: optional(checkName),
    port: optional(checkPort),
    db: optional(checkDatabase),
    password: optional(checkText),
    auth_pass: optional(checkText),
    redis: (_option, value) => value as RedisSource | undefined,
    prefix: optional(checkName),
    cleanOnStartUp: aBoolean(false),
    channelManager: optional(checkManager),
    transport: checkTransport,
    history: historyPatterns,
    timeoutMs,
    serverTypes: optional((option, value) => checkList(option, value, checkName)),
    autoLeave: aBoolean(true),
    rpcNoDelay: aBoolean(true),
    leaseMs,
    graceMs,
    leaveDelayMs,
  });
  const { redis, host, port, db, password, auth_pass } = options;
  if (redis !== undefined) {
    const twice = Object.entries({ host, port, db, password, auth_pass }).find(([, value]) => value !== undefined);
    if (twice) throw conflict(twice[0], "redis says where Redis is");
  }
  if (password !== undefined && auth_pass !== undefined && password !== auth_pass) {
    throw conflict("auth_pass", "password says something else");
  }
  return options;
}

/** Where Redis is, as these options say it. */
export function redisSource({ redis, host, port, db, password, auth_pass }: ResolvedPluginOptions): RedisSource {
  if (redis !== undefined) return redis;
  const secret = password ?? auth_pass;
  return {
    host: host ?? "127.0.0.1",
    port: port ?? 6379,
    db: db ?? 0,
    ...(secret !== undefined && { password: secret }),
  };
}

function conflict(option: string, why: string): GlobalChannelError {
  return new GlobalChannelError("GC_INVALID_OPTION", `globalChannel: ${option} must be left out: ${why}`, {
    argument: option,
  });
}

function checkPort(option: string, value: unknown): number {
  return checkInteger(option, asNumber(value), { min: 1, max: 65_535 });
}

function checkDatabase(option: string, value: unknown): number {
  return checkInteger(option, asNumber(value), { min: 0, max: Number.MAX_SAFE_INTEGER });
}

/** Configuration files have numbers as text, too. */
function asNumber(value: unknown): unknown {
  return typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : value;
}

function checkText(option: string, value: unknown): string {
  if (typeof value !== "string") throw invalid(option, value, "a string");
  return value;
}

function checkManager(option: string, value: unknown): NonNullable<GlobalChannelPluginOptions["channelManager"]> {
  if (typeof value !== "function" && (typeof value !== "object" || value === null)) {
    throw invalid(option, value, "a channel manager, or a function (app, options) that makes one");
  }
  return value as NonNullable<GlobalChannelPluginOptions["channelManager"]>;
}

function checkTransport(option: string, value: unknown = "rpc"): "rpc" | "redis" | RpcTransport {
  if (value === "rpc" || value === "redis") return value;
  if (missingMethod(value, PART_METHODS.transport)) {
    throw invalid(option, value, `"rpc", "redis" or an RpcTransport, with the methods request and serve`);
  }
  return value as RpcTransport;
}
