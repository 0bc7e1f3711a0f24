import type { NodeProcess } from "../../test/support/process.js";
import { startChild } from "../support/child.js";
import type { Scope } from "../support/scope.js";
import type { FrontendsApi, FrontendsConfig } from "./frontends-process.js";

/** Starts frontends together in a process of their own, which ends with `scope`. */
export async function startFrontends(scope: Scope, config: FrontendsConfig): Promise<NodeProcess<FrontendsApi>> {
  const child = await startChild<FrontendsApi>(scope, new URL("frontends-process.ts", import.meta.url), config);
  await child.call("start");
  return child;
}

/** @throws if frontends have reported errors */
export async function expectNoErrors(frontends: NodeProcess<FrontendsApi>): Promise<void> {
  const { count, first } = await frontends.call("errors");
  if (count > 0) throw new Error(`frontends: ${count} errors, such as ${first}`);
}
