import { invalid } from "../arguments.js";
import { GlobalChannelError } from "../errors.js";
import { managerError, managerResult } from "../cluster/manager-results.js";
import { milliseconds, missingMethod, PART_METHODS, resolveOptions } from "../options.js";
import type { CallbackManager, ChannelManager, ManagerCallback, ManagerCapabilities } from "../types.js";

export interface CallbackChannelManagerOptions {
  /** How long a method may take to call back, or to settle its promise, in milliseconds. @default 5000 */
  timeoutMs?: number;
}

/** How many parameters the required methods have without one for a callback. */
const PARAMETERS = { add: 3, leave: 3, getMembersBySid: 2, destroyChannel: 1 } as const satisfies Record<
  (typeof PART_METHODS.manager)[number],
  number
>;

/**
 * Whether a manager is one that calls back: at least one of its required methods has more parameters than the contract, as
 * its `length` counts them. Parameters with a default value, and `...rest`, do not count.
 */
export function callsBack(manager: ChannelManager | CallbackManager): manager is CallbackManager {
  return PART_METHODS.manager.some((method) => manager[method].length > PARAMETERS[method]);
}

/**
 * Makes a {@link ChannelManager} of one whose methods call back, or may do so: a method that has a parameter for the callback
 * is waited for until it calls it, any other one until the promise that it returns is settled. Services and frontends do this
 * by themselves with a manager of which a required method has such a parameter (`add.length > 3`, `leave.length > 3`,
 * `getMembersBySid.length > 2` or `destroyChannel.length > 1`). One whose parameter does not show, `(...args)` or a parameter
 * with a default value, must be given in this class.
 *
 * A method calls back once, within `timeoutMs`; else the call rejects with `GC_TIMEOUT`, and whether it was done is not
 * known. What comes after the first result is ignored. What the manager throws, rejects or gives its callback as an error
 * rejects as `GC_STORE_ERROR`, with it as the `cause`.
 *
 * It can have no capabilities: services and frontends refuse to start with a manager that calls back and declares any.
 */
export class CallbackChannelManager implements ChannelManager {
  readonly #manager: CallbackManager;
  readonly #timeoutMs: number;

  /** @throws `GC_INVALID_ARGUMENT` a method is missing; `GC_INVALID_OPTION` */
  constructor(manager: CallbackManager, options: CallbackChannelManagerOptions = {}) {
    const missing = missingMethod(manager, PART_METHODS.manager);
    if (missing) throw invalid("channelManager", manager, `a channel manager; it has no method ${missing}`);
    this.#manager = manager;
    this.#timeoutMs = resolveOptions("CallbackChannelManager", options, { timeoutMs: milliseconds(5000) }).timeoutMs;
  }

  /** What the manager declares, so that it is refused: see above. */
  get capabilities(): Readonly<Partial<ManagerCapabilities>> {
    return (this.#manager as Pick<ChannelManager, "capabilities">).capabilities ?? {};
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
    return (await this.#call("add", name, uid, sid)) as boolean;
  }

  /** Whether that changed anything, where the manager says so; else true. */
  async leave(name: string, uid: string, sid: string): Promise<boolean> {
    return (await this.#call("leave", name, uid, sid)) as boolean;
  }

  /** No list at all is an empty one, and numbers are uids. */
  async getMembersBySid(name: string, sid: string): Promise<string[]> {
    return (await this.#call("getMembersBySid", name, sid)) as string[];
  }

  /** How many there were, where the manager says so; else 0. */
  async destroyChannel(name: string): Promise<number> {
    return (await this.#call("destroyChannel", name)) as number;
  }

  /** Calls a method, unless it is one that the manager need not have and has not. */
  async #call(method: keyof CallbackManager, ...args: unknown[]): Promise<unknown> {
    const call = this.#manager[method] as ((...args: unknown[]) => unknown) | undefined;
    if (typeof call !== "function") return undefined;
    const result = await this.#settled(method, call, args);
    return managerResult(method, method === "getMembersBySid" ? asUids(result) : result);
  }

  #settled(method: keyof CallbackManager, call: (...args: unknown[]) => unknown, args: unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(this.#tooLate(method)), this.#timeoutMs);
      const succeed = (result: unknown): void => {
        clearTimeout(timer);
        resolve(result);
      };
      const fail = (error: unknown): void => {
        clearTimeout(timer);
        reject(managerError(method, error));
      };
      const done: ManagerCallback = (error, result) => (error ? fail(error) : succeed(result));
      try {
        const returned = call.call(this.#manager, ...args, done);
        if (isPromise(returned)) returned.then(call.length > args.length ? () => {} : succeed, fail);
        // Whatever else there is a `then` of, the caller is meant to wait for where the method takes no callback.
        else if (!waits(method, call, args.length, returned)) Promise.resolve(returned).then(succeed, fail);
      } catch (error) {
        fail(error);
      }
    });
  }

  #tooLate(method: string): GlobalChannelError {
    const message = `the channel manager's ${method} did not call back within ${this.#timeoutMs} ms (timeoutMs)`;
    return new GlobalChannelError("GC_TIMEOUT", message);
  }
}

/**
 * Whether a method that gave no promise calls back: it has a parameter for that; or, as `(...args)`, none for what it must be
 * given; or it has given no list.
 */
function waits(method: keyof CallbackManager, call: { length: number }, given: number, returned: unknown): boolean {
  if (call.length > given || (method === "getMembersBySid" && returned === undefined)) return true;
  return call.length === 0 && PART_METHODS.manager.some((required) => required === method);
}

/**
 * Whether it is a promise, of whatever library. Not everything with a `then` is: the queries of mysql2, Knex and Mongoose have
 * one that throws, or that runs the query again. The first has no `catch`, and the others say by their tag what they are.
 */
function isPromise(value: unknown): value is PromiseLike<unknown> {
  if (value instanceof Promise) return true;
  if (typeof value !== "object" || value === null) return false;
  const { then, catch: caught, [Symbol.toStringTag]: tag } = value as Record<string | symbol, unknown>;
  return typeof then === "function" && typeof caught === "function" && (tag === undefined || tag === "Promise");
}

function asUids(result: unknown): unknown {
  if (!Array.isArray(result)) return result ?? [];
  return result.map((uid: unknown) => (typeof uid === "number" ? String(uid) : uid));
}
