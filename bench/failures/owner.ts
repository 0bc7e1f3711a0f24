import type { Owner } from "../../test/cluster/cluster.js";
import type { Scope } from "../support/scope.js";

/** Lets what the cluster tests start end with a scope. */
export function ownedBy(scope: Scope): Owner {
  return { teardown: (step) => scope.defer(step) };
}
