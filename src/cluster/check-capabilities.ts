import { describe } from "../arguments.js";
import { CallbackChannelManager } from "../managers/callback.js";
import { CAPABILITY_METHODS } from "../capabilities.js";
import { GlobalChannelError } from "../errors.js";
import { suggest } from "../options.js";
import type { ChannelManager, ManagerCapabilities } from "../types.js";

/** @throws `GC_INVALID_OPTION` unless what the manager declares is there: each capability, with each of its methods */
export function checkCapabilities(manager: ChannelManager): void {
  const declared: unknown = manager.capabilities;
  if (declared === undefined) return;
  if (typeof declared !== "object" || declared === null || Array.isArray(declared)) {
    throw refused(`its capabilities are ${describe(declared)}; they must be an object, as { bulk: true }`);
  }
  const known = Object.keys(CAPABILITY_METHODS);
  for (const name of Object.keys(declared)) {
    if (known.includes(name)) continue;
    throw refused(`there is no capability ${describe(name)}${suggest(name, known)}; there are ${known.join(", ")}`);
  }
  for (const [capability, methods] of Object.entries(CAPABILITY_METHODS)) {
    const value = (declared as Record<string, unknown>)[capability];
    if (value !== undefined && typeof value !== "boolean") {
      throw refused(`its capability ${capability} is ${describe(value)}; it must be true or false`);
    }
    if (value) checkMethods(manager, capability, methods);
  }
}

function checkMethods(
  manager: ChannelManager,
  capability: string,
  methods: readonly Exclude<keyof ChannelManager, "capabilities">[],
): void {
  if (manager instanceof CallbackChannelManager) {
    throw refused(
      `declare ${capability} only with methods that return promises: its methods have a parameter for a callback ` +
        "(one that is for something else must have a default value)",
    );
  }
  const missing = methods.filter((method) => typeof manager[method] !== "function");
  if (missing.length === 0) return;
  throw refused(`declare ${capability} only with ${methods.join(", ")}; it has no method ${missing.join(", ")}`);
}

function refused(what: string): GlobalChannelError {
  return new GlobalChannelError("GC_INVALID_OPTION", `cluster.manager: ${what}`, { argument: "cluster.manager" });
}

/** @throws `GC_UNSUPPORTED` the manager does not declare what the method needs */
export function requireCapability(
  manager: ChannelManager,
  capability: keyof ManagerCapabilities,
  method: string,
): void {
  if (manager.capabilities?.[capability]) return;
  throw new GlobalChannelError("GC_UNSUPPORTED", `${method} needs a channel manager with the capability ${capability}`);
}
