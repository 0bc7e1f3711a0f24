import { setTimeout as sleep } from "node:timers/promises";
import type { NodeProcess } from "../../test/support/process.js";
import { startChild } from "../support/child.js";
import { type ProcessUsage, processUsageBetween } from "../support/process-usage.js";
import type { Scope } from "../support/scope.js";
import type { FrontendsApi, FrontendsConfig } from "./frontends-process.js";

const POLL_MS = 50;

/** Starts frontends together in a process of their own, which ends with `scope`. */
export async function startFrontends(scope: Scope, config: FrontendsConfig): Promise<NodeProcess<FrontendsApi>> {
  const child = await startChild<FrontendsApi>(scope, new URL("frontends-process.ts", import.meta.url), config);
  await child.call("start");
  return child;
}

/** Does something that frontends hear of, and sees what it costs them. */
export async function withFrontends<T>(
  frontends: NodeProcess<FrontendsApi>,
  work: () => Promise<T>,
): Promise<{ result: T; cpuMs: number }> {
  const before = await frontends.call("usage");
  const result = await work();
  const { cpuMs } = processUsageBetween(before, await usageAtRest(frontends));
  return { result, cpuMs };
}

/** What frontends have used, once they have heard of all changes: when nothing more comes from Redis. */
export async function usageAtRest(frontends: NodeProcess<FrontendsApi>): Promise<ProcessUsage> {
  for (let before = await frontends.call("usage"); ;) {
    await sleep(POLL_MS);
    const usage = await frontends.call("usage");
    if (usage.bytesRead === before.bytesRead) return usage;
    before = usage;
  }
}

/** @throws if frontends have reported errors */
export async function expectNoErrors(frontends: NodeProcess<FrontendsApi>): Promise<void> {
  const { errors } = await frontends.call("usage");
  if (errors.length > 0) throw new Error(`frontends: ${errors.length} errors, such as ${errors[0]}`);
}
