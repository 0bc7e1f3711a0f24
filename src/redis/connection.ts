import type { Duplex } from "node:stream";
import { Redis, ReplyError, type RedisOptions } from "ioredis";
import { describe, invalid } from "../arguments.js";
import { GlobalChannelError, isGlobalChannelError } from "../errors.js";
import { invalidOption, resolveOptions } from "../options.js";
import { disconnect } from "./disconnect.js";
import { Keys, PREFIX_PATTERN } from "./keys.js";
import { probe } from "./prober.js";
import type { Script } from "./script.js";
import { SilenceWatch } from "./silence-watch.js";
import { Subscriptions } from "./subscriptions.js";

/** How to reach Redis: a URL (`redis://:password@host:port/db`, `rediss://` for TLS), ioredis options, or an ioredis client. */
export type RedisSource = string | RedisOptions | Redis;

export interface RedisClusterOptions {
  /** What every key and pub/sub channel begins with: letters, digits and `_ . : @ / -`. @default "gc" */
  prefix?: string;
}

/** How long a new connection may take, in milliseconds. */
const CONNECT_TIMEOUT_MS = 5000;
/** After how long without an answer a connection counts as dead that is just being made, or is for subscriptions, in milliseconds. */
const SOCKET_TIMEOUT_MS = 3000;
/** The longest pause between two attempts to connect again, in milliseconds. */
const MAX_RETRY_MS = 250;
/** How many member sets, users and so on are given to one script call: keeps each below a few milliseconds. */
export const BATCH = 1000;
/** The same, of what costs Redis several microseconds each. */
export const COSTLY_BATCH = 125;

/**
 * One process's connections to Redis: one for commands, one for subscriptions. It fails fast: while Redis is out of reach,
 * every command rejects at once, where it only hangs within 1 s; none is queued, and none is sent a second time.
 */
export class RedisConnection {
  readonly keys: Keys;
  readonly #source: RedisSource;
  #client: Redis | undefined;
  #subscriptions: Subscriptions | undefined;
  /** An injected client is its owner's to break, and who gives a time limit of its own has it. */
  #silence: SilenceWatch | undefined;
  readonly #deferred: (() => Promise<unknown>)[] = [];
  /** How much of what was deferred has been sent and is not answered: of this connection, not of one before it. */
  #sent = { underWay: 0 };
  /** An injected client may keep what is under way until it is connected again: what waits for that must not. */
  readonly #onLoss = (): void => this.flush();
  #users = 0;
  #opening: Promise<void> | undefined;

  constructor(source: RedisSource, options: RedisClusterOptions = {}) {
    const { prefix } = resolveOptions("redis", options, { prefix: checkPrefix });
    this.#source = checkSource(source);
    this.keys = new Keys(prefix, databaseOf(this.#source));
  }

  /** Connects, unless that is done. Each `open` needs a {@link close}. */
  async open(): Promise<void> {
    this.#users++;
    this.#opening ??= this.#open();
    try {
      await this.#opening;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** Disconnects what this class has connected, once everyone who opened it has closed it. */
  async close(): Promise<void> {
    // One stop too many must not count against those who start next.
    if (this.#users === 0 || --this.#users > 0) return;
    // What has been called for comes before the end.
    this.flush();
    this.#sent = { underWay: 0 };
    this.#client?.off("close", this.#onLoss);
    this.#opening = undefined;
    this.#silence?.stop();
    const [client, subscriptions] = [this.#client, this.#subscriptions];
    this.#client = this.#subscriptions = undefined;
    await subscriptions?.close();
    if (client && client !== this.#source) await disconnect(client);
  }

  get subscriptions(): Subscriptions {
    if (!this.#subscriptions) throw unavailable("it is not connected");
    return this.#subscriptions;
  }

  /** Runs a command. @throws `GC_STORE_UNAVAILABLE`, `GC_STORE_ERROR` */
  async command<T>(run: (client: Redis) => Promise<T>): Promise<T> {
    this.flush();
    const client = this.#client;
    if (client?.status !== "ready") throw unavailable(`the connection is ${client?.status ?? "closed"}`);
    corkForTick(client.stream);
    try {
      return await run(client);
    } catch (error) {
      throw toStoreError(error);
    }
  }

  /**
   * Calls `send`, which resolves when it is answered, at the end of this tick, or, if what was deferred before
   * is not answered then, as soon as that is: so, the busier Redis is, the more goes to it at once. A command that comes first
   * lets it go before: what is sent keeps its order. While Redis is out of reach nothing waits.
   */
  defer(send: () => Promise<unknown>): void {
    this.#deferred.push(send);
    const waits = this.#sent.underWay > 0 && this.#client?.status === "ready";
    if (!waits && this.#deferred.length === 1) process.nextTick(() => this.flush());
  }

  /** Whether nothing was deferred after `send`: what is called for now may still go with it without losing its place. */
  isLast(send: () => Promise<unknown>): boolean {
    return this.#deferred.at(-1) === send;
  }

  /** Sends what was deferred: what is called for from now on comes after it. */
  flush(): void {
    if (this.#deferred.length === 0) return;
    const sent = this.#sent;
    for (const send of this.#deferred.splice(0)) {
      sent.underWay++;
      void send().finally(() => {
        // Whoever is told of an answer and calls for the next thing at once is to go with it.
        if (--sent.underWay === 0) process.nextTick(() => this.flush());
      });
    }
  }

  /** Runs a script. @throws `GC_STORE_UNAVAILABLE`, `GC_STORE_ERROR` */
  run<T>(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<T> {
    return this.command((client) => {
      const commands = client as unknown as Record<string, (...args: (string | number)[]) => Promise<T>>;
      if (!commands[script.command]) client.defineCommand(script.command, { lua: script.lua });
      return commands[script.command]!(keys.length, ...keys, ...args);
    });
  }

  async #open(): Promise<void> {
    const client = isClient(this.#source) ? this.#source : createClient(this.#source);
    this.#client = client;
    await ready(client);
    client.on("close", this.#onLoss);
    if (client !== this.#source && !hasTimeLimit(this.#source)) this.#silence = new SilenceWatch(client);
    const subscriber = client.duplicate({
      autoResubscribe: false,
      enableOfflineQueue: true,
      lazyConnect: true,
      maxRetriesPerRequest: null,
      retryStrategy,
      socketTimeout: SOCKET_TIMEOUT_MS,
    });
    this.#subscriptions = new Subscriptions(subscriber, (args) => this.run(probe, [], args));
    await this.#subscriptions.open();
  }
}

/** Lets all the commands of one tick leave in one system call; the promises that they are waited for by run first. */
function corkForTick(stream: Duplex): void {
  if (stream.writableCorked > 0) return;
  stream.cork();
  process.nextTick(() => stream.uncork());
}

function createClient(source: string | RedisOptions): Redis {
  const options: Omit<RedisOptions, "replyMapping"> & { replyMapping: "legacy" } = {
    connectTimeout: CONNECT_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
    // ioredis waits this long even for a stream that is closed already, and keeps the process alive meanwhile.
    disconnectTimeout: 100,
    ...(typeof source === "object" ? source : {}),
    replyMapping: "legacy",
    // Callers decide whether to try again: a command that was sent twice could deliver twice.
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    lazyConnect: true,
    retryStrategy,
  };
  const client = typeof source === "string" ? new Redis(source, options) : new Redis(options);
  // Every command rejects by itself; without a listener ioredis prints what it meets between commands.
  client.on("error", () => {});
  return client;
}

function hasTimeLimit(source: RedisSource): boolean {
  return typeof source === "object" && !isClient(source) && source.socketTimeout !== undefined;
}

/** Not all processes at the same time. */
function retryStrategy(attempt: number): number {
  return Math.min(20 * 2 ** Math.min(attempt, 10), MAX_RETRY_MS) * (0.5 + Math.random() / 2);
}

/** Waits until a client is ready for commands; an injected one may be so already. */
async function ready(client: Redis): Promise<void> {
  if (client.status === "ready") return;
  let lastError: unknown;
  const onError = (error: unknown): void => {
    lastError = error;
  };
  client.on("error", onError);
  let timer: NodeJS.Timeout | undefined;
  let onEnd: (() => void) | undefined;
  let onReady: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      onReady = resolve;
      onEnd = () => reject(unavailable("the client has ended", lastError));
      client.once("ready", onReady);
      client.once("end", onEnd);
      timer = setTimeout(
        () => reject(unavailable(`no connection within ${CONNECT_TIMEOUT_MS} ms`, lastError)),
        CONNECT_TIMEOUT_MS,
      );
      if (client.status === "wait" || client.status === "end") {
        client
          .connect()
          .catch((error: unknown) => reject(unavailable("the connection was refused", lastError ?? error)));
      }
    });
  } finally {
    clearTimeout(timer);
    client.off("error", onError);
    if (onReady) client.off("ready", onReady);
    if (onEnd) client.off("end", onEnd);
  }
}

function checkPrefix(option: string, prefix: unknown = "gc"): string {
  if (typeof prefix !== "string" || !PREFIX_PATTERN.test(prefix)) {
    throw invalid(
      option,
      prefix,
      "1 to 128 letters, digits or _ . : @ / -, without a part such as :u or :servers that keys have",
    );
  }
  return prefix;
}

function checkSource(source: unknown): RedisSource {
  if (typeof source === "string") {
    if (!/^rediss?:\/\//.test(source) || !URL.canParse(source) || !Number.isInteger(databaseOf(source))) {
      const shown = source.replace(/\/\/.*@/s, "//***@");
      throw invalidOption("redis", "url", shown, "a URL such as redis://127.0.0.1:6379/0");
    }
    return source;
  }
  if (typeof source !== "object" || source === null) {
    throw invalidOption("redis", "connection", source, "a URL, ioredis options or an ioredis client");
  }
  if ("isCluster" in source && source.isCluster) {
    throw invalidOption(
      "redis",
      "connection",
      "an ioredis Cluster",
      "a standalone client: Redis Cluster is not supported yet",
    );
  }
  const options = isClient(source) ? source.options : (source as RedisOptions);
  if (options.keyPrefix) {
    throw invalidOption("redis", "keyPrefix", options.keyPrefix, "left out: give { prefix } to redis() instead");
  }
  return source;
}

function isClient(source: unknown): source is Redis {
  return typeof source === "object" && source !== null && "duplicate" in source && "defineCommand" in source;
}

function databaseOf(source: RedisSource): number {
  if (typeof source !== "string") return (isClient(source) ? source.options : source).db ?? 0;
  const { pathname, searchParams } = new URL(source);
  return Number(pathname.slice(1) || searchParams.get("db") || 0);
}

function unavailable(reason: string, cause?: unknown): GlobalChannelError {
  const detail = cause instanceof Error && cause.message ? `: ${cause.message}` : "";
  return new GlobalChannelError("GC_STORE_UNAVAILABLE", `Redis cannot be reached: ${reason}${detail}`, { cause });
}

/** Replies that say: not now. */
const TEMPORARY_REPLY = /^(LOADING|BUSY|TRYAGAIN|MASTERDOWN|CLUSTERDOWN|READONLY|OOM|NOREPLICAS|MISCONF)\b/;

/** What Redis has answered in the place of a result. */
export function replyError(reply: string, cause?: unknown): GlobalChannelError {
  // Redis 6 says first in which line of a script it was.
  const message = reply.replace(/^@user_script: ?\d+: -?/, "").trim();
  const temporary = TEMPORARY_REPLY.test(message);
  return new GlobalChannelError("GC_STORE_ERROR", `Redis answered: ${message}`, { cause, temporary });
}

function toStoreError(cause: unknown): GlobalChannelError {
  if (isGlobalChannelError(cause)) return cause;
  const message = cause instanceof Error ? cause.message : describe(cause);
  if ((cause instanceof Error && cause.name === "ReplyError") || cause instanceof ReplyError) {
    return replyError(message, cause);
  }
  return unavailable("the connection was lost", cause);
}
