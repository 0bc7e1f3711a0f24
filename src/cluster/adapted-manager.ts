import { CallbackChannelManager, callsBack } from "../managers/callback.js";
import { CAPABILITY_METHODS } from "../capabilities.js";
import { managerError, managerResult } from "./manager-results.js";
import { PART_METHODS } from "../options.js";
import type { CallbackManager, ChannelManager } from "../types.js";

const METHODS = [
  "start",
  "stop",
  "clean",
  ...PART_METHODS.manager,
  ...Object.values(CAPABILITY_METHODS).flat(),
] as const;

type Method = (...args: unknown[]) => unknown;

/** One for each manager, so that those who share a manager share its start and its stop. */
const adapted = new WeakMap<object, ChannelManager>();

/**
 * The manager as services and frontends use it: with promises where it calls back (see {@link callsBack}), and with errors and
 * results as the contract has them, whatever it throws and gives.
 */
export function adaptManager(manager: ChannelManager | CallbackManager): ChannelManager {
  const known = adapted.get(manager);
  if (known) return known;
  const made = adapt(manager);
  adapted.set(manager, made);
  adapted.set(made, made);
  return made;
}

/** The adapted manager where a part is one that was adapted; else the part itself. */
export function asAdapted<T extends object>(part: T): T | ChannelManager {
  return adapted.get(part) ?? part;
}

function adapt(manager: ChannelManager | CallbackManager): ChannelManager {
  if (manager instanceof CallbackChannelManager) return manager;
  return callsBack(manager) ? new CallbackChannelManager(manager) : checked(manager);
}

function checked(manager: ChannelManager): ChannelManager {
  const made = Object.defineProperty({}, "capabilities", { get: () => manager.capabilities });
  for (const method of METHODS) {
    const checkedCall: Method = (...args) => call(manager, method, args);
    // Looked up each time: one that was refused for want of a method may get it, and be given again.
    Object.defineProperty(made, method, {
      get: () => (typeof manager[method] === "function" ? checkedCall : undefined),
    });
  }
  return made as ChannelManager;
}

/** What is there at once is given at once: a manager in memory makes nobody wait. */
function call(manager: ChannelManager, method: (typeof METHODS)[number], args: unknown[]): unknown {
  try {
    const result = (manager[method] as Method)(...args);
    if (!isThenable(result)) return managerResult(method, result);
    return Promise.resolve(result).then(
      (value) => managerResult(method, value),
      (error: unknown) => {
        throw managerError(method, error);
      },
    );
  } catch (error) {
    // Rejected, not thrown: the call may be one of many that are made before any is waited for.
    return Promise.reject(managerError(method, error));
  }
}

function isThenable(value: unknown): boolean {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}
