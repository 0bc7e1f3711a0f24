import type { ServerRegistry } from "../types.js";
import type { ConformanceCase } from "./case.js";
import { leaseInterruptionCases, leaseLifeCases } from "./registries/lives.js";
import { listCases } from "./registries/list.js";
import { registerCases } from "./registries/register.js";
import { renewCases } from "./registries/renew.js";
import { unregisterCases } from "./registries/unregister.js";

/** The contract of {@link ServerRegistry}, as cases. */
export function serverRegistryConformance(): ConformanceCase<ServerRegistry>[] {
  return [
    ...registerCases,
    ...renewCases,
    ...unregisterCases,
    ...listCases,
    ...leaseLifeCases,
    ...leaseInterruptionCases,
  ];
}
