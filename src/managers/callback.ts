import { describe, invalid } from "../arguments.js";
import { GlobalChannelError, isGlobalChannelError } from "../errors.js";
import { missingMethod, PART_METHODS } from "../options.js";
import type { ChannelManager } from "../types.js";

/** A Node callback of a manager. */
type Done = (error?: unknown, result?: unknown) => void;

/** The methods of a manager as it was written for pomelo-globalchannel-plugin: each calls back once. */
export interface CallbackManager {
  start?(done: Done): unknown;
  stop?(force: boolean, done: Done): unknown;
  clean?(done: Done): unknown;
  add(name: string, uid: string, sid: string, done: Done): unknown;
  leave(name: string, uid: string, sid: string, done: Done): unknown;
  getMembersBySid(name: string, sid: string, done: Done): unknown;
  destroyChannel(name: string, done: Done): unknown;
}

/**
 * Makes a {@link ChannelManager} of one whose methods call back, or may do so: a method that has a parameter for the callback
 * is waited for until it calls it, any other one until the promise that it returns is settled. It has no capabilities.
 *
 * What the manager throws, rejects or gives its callback as an error rejects as `GC_STORE_ERROR`, with it as the `cause`.
 */
export class CallbackChannelManager implements ChannelManager {
  readonly #manager: CallbackManager;

  /** @throws `GC_INVALID_ARGUMENT` a method is missing */
  constructor(manager: CallbackManager) {
    if (typeof manager !== "object" || manager === null) throw invalid("channelManager", manager, "a channel manager");
    const missing = missingMethod(manager, PART_METHODS.manager);
    if (missing) throw invalid("channelManager", manager, `a channel manager; it has no method ${missing}`);
    this.#manager = manager;
  }

  async start(): Promise<void> {
    await this.#call("start");
  }

  async stop(force = false): Promise<void> {
    await this.#call("stop", force);
  }

  async clean(): Promise<void> {
    await this.#call("clean");
  }

  /** Whether that changed anything, where the manager says so; else true. */
  async add(name: string, uid: string, sid: string): Promise<boolean> {
    return (await this.#call("add", name, uid, sid)) !== false;
  }

  /** Whether that changed anything, where the manager says so; else true. */
  async leave(name: string, uid: string, sid: string): Promise<boolean> {
    return (await this.#call("leave", name, uid, sid)) !== false;
  }

  async getMembersBySid(name: string, sid: string): Promise<string[]> {
    const uids = (await this.#call("getMembersBySid", name, sid)) ?? [];
    if (!Array.isArray(uids)) throw invalid("the result of getMembersBySid", uids, "an array of uids");
    return uids.map(String);
  }

  /** How many there were, where the manager says so; else 0. */
  async destroyChannel(name: string): Promise<number> {
    const count = await this.#call("destroyChannel", name);
    return typeof count === "number" ? count : 0;
  }

  /** Calls a method, unless it is one that the manager need not have and has not. */
  #call(method: keyof CallbackManager, ...args: unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call = this.#manager[method] as ((...args: unknown[]) => unknown) | undefined;
      if (typeof call !== "function") {
        resolve(undefined);
        return;
      }
      const fail = (error: unknown): void => reject(storeError(method, error));
      const done: Done = (error, result) => {
        if (error) fail(error);
        else resolve(result);
      };
      let returned: unknown;
      try {
        returned = call.call(this.#manager, ...args, done);
      } catch (error) {
        fail(error);
        return;
      }
      // A promise is waited for, but anything else that is thenable may be a query that refuses to be awaited.
      if (returned instanceof Promise) returned.then(call.length > args.length ? () => {} : resolve, fail);
      else if (!callsBack(method, call, args.length, returned)) resolve(returned);
    });
  }
}

/**
 * Whether a method that gave no promise calls back: it has a parameter for that; or, as `(...args)`, none for what it must be
 * given; or it has given no list.
 */
function callsBack(method: keyof CallbackManager, call: { length: number }, given: number, returned: unknown): boolean {
  if (call.length > given || (method === "getMembersBySid" && returned === undefined)) return true;
  return call.length === 0 && PART_METHODS.manager.some((required) => required === method);
}

/** What a manager of the application's own says is wrong. */
function storeError(method: string, cause: unknown): GlobalChannelError {
  if (isGlobalChannelError(cause)) return cause;
  const message = cause instanceof Error ? cause.message : describe(cause);
  return new GlobalChannelError("GC_STORE_ERROR", `the channel manager's ${method} failed: ${message}`, { cause });
}
