import { asAdapted } from "./adapted-manager.js";
import { checkCapabilities } from "./check-capabilities.js";
import type { Cluster } from "../types.js";

interface Startable {
  start?(): unknown;
  stop?(force?: boolean): unknown;
}

/** How many services and frontends of this process use a part, and its start. */
const uses = new WeakMap<Startable, { count: number; started: Promise<unknown> }>();
/** The stops that are under way. */
const stopping = new WeakMap<Startable, Promise<unknown>>();

/**
 * Starts the parts of a cluster that are not started yet: services and frontends of one process may share them.
 * @throws `GC_INVALID_OPTION` the manager declares what it has not; then nothing is started
 */
export async function startParts(cluster: Cluster): Promise<void> {
  checkCapabilities(cluster.manager);
  const started: Startable[] = [];
  try {
    for (const part of partsOf(cluster)) {
      await startPart(part);
      started.push(part);
    }
  } catch (error) {
    // Why the start failed matters more.
    for (const part of started.toReversed()) await stopPart(part, true).catch(() => {});
    throw error;
  }
}

/** Stops the parts that nobody else in this process uses. Every part is stopped, also where one of them fails. */
export async function stopParts(cluster: Cluster, force: boolean): Promise<void> {
  const failures: unknown[] = [];
  for (const part of partsOf(cluster).toReversed()) {
    await stopPart(part, force).catch((error: unknown) => failures.push(error));
  }
  if (failures.length > 0) throw failures[0];
}

function partsOf({ manager, registry, transport, history, subscribers, tokens }: Cluster): Startable[] {
  const optional = [history, subscribers, tokens].filter((part) => part !== undefined);
  // One object may be several parts, though the manager is an adapted one.
  return [...new Set<Startable>([manager, registry, transport, ...optional].map(asAdapted))];
}

async function startPart(part: Startable): Promise<void> {
  let use = uses.get(part);
  if (!use) uses.set(part, (use = { count: 0, started: start(part) }));
  use.count++;
  try {
    await use.started;
  } catch (error) {
    // The next one that needs this part starts it anew.
    if (uses.get(part) === use) uses.delete(part);
    throw error;
  }
}

async function stopPart(part: Startable, force: boolean): Promise<void> {
  const use = uses.get(part);
  if (!use || --use.count > 0) return;
  uses.delete(part);
  const stopped = Promise.resolve(part.stop?.(force));
  stopping.set(part, stopped);
  try {
    await stopped;
  } finally {
    if (stopping.get(part) === stopped) stopping.delete(part);
  }
}

/** Starts a part; one that is being stopped, after that. */
async function start(part: Startable): Promise<void> {
  await stopping.get(part)?.catch(() => {});
  await part.start?.();
}
