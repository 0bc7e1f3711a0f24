import { adaptManager } from "./adapted-manager.js";
import { invalid } from "../arguments.js";
import { missingMethod, OPTIONAL_PART_METHODS, PART_METHODS } from "../options.js";
import type { Cluster, ClusterInput } from "../types.js";

/**
 * A cluster as services and frontends use it: its manager is an adapted one, and a fused push is there only where it is one of
 * these very parts.
 * @throws `GC_INVALID_ARGUMENT` unless `value` has the three parts of a cluster, each with the methods that it must have, and so has
 *   `history`, `subscribers` and `tokens` where they are given
 */
export function checkCluster(option: string, value: unknown): Cluster {
  const given = value as Record<string, unknown> | null | undefined;
  const optional = Object.entries(OPTIONAL_PART_METHODS).filter(([part]) => given?.[part] !== undefined);
  for (const [part, methods] of [...Object.entries(PART_METHODS), ...optional]) {
    const missing = missingMethod(given?.[part], methods);
    if (missing) {
      throw invalid(option, value, `a cluster, as memory() and redis() give; its ${part} has no method ${missing}`);
    }
  }
  const { manager, registry, transport, fusedPush, history, subscribers, tokens } = value as ClusterInput;
  const parts = fusedPush?.parts;
  const isFused = parts?.manager === manager && parts.registry === registry && parts.transport === transport;
  return {
    manager: adaptManager(manager),
    registry,
    transport,
    ...(isFused && { fusedPush }),
    ...(history && { history }),
    ...(subscribers && { subscribers }),
    ...(tokens && { tokens }),
  };
}
