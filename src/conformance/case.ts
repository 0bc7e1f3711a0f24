import { AssertionError } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import type { Awaitable, ManagerCapabilities } from "../types.js";

/** What holds the state of the implementation under test: one store (registry, wire), empty at first. */
export interface Harness<T> {
  /**
   * Another instance on that store; the case starts and stops it. Where the instance is the store (memory), the same one
   * may be given again: it is then started and stopped once.
   */
  open(): Awaitable<T>;
  /** Called at the end of the case, passed or failed, after the instances were stopped. @default nothing to do */
  close?(): Awaitable<void>;
  /** Lets `ms` pass on the clock of the implementation. @default waits that long */
  advance?(ms: number): Awaitable<void>;
  /**
   * Breaks the connections of the open instances to their store, once, as a network failure does; they connect again by
   * themselves. @default nothing breaks
   */
  interrupt?(): Awaitable<void>;
}

/** Makes a harness of its own for one case, so that cases may run at the same time. */
export type MakeHarness<T> = () => Awaitable<Harness<T>>;

/** One sentence of a contract, and the check of it. */
export interface ConformanceCase<T> {
  /** `<method or topic> › <the sentence>`; no two cases of a contract have the same. */
  readonly name: string;
  /** What a manager must declare to be held to it. @default nothing */
  readonly requires?: readonly (keyof ManagerCapabilities)[];
  /** Rejects, mostly with an `AssertionError`, where the implementation breaks the contract. */
  readonly run: (make: MakeHarness<T>) => Promise<void>;
}

/** What the body of a case works with. */
export interface Stage<T> {
  /** Another instance on the same store, started. */
  open(): Promise<T>;
  /** Stops an instance before the end. */
  stop(instance: T, force?: boolean): Promise<void>;
  advance(ms: number): Promise<void>;
  /** Whether it takes no time to let time pass: a case may have to go without what it would wait too long for. */
  readonly canSkip: boolean;
  /** Breaks the connections to the store, where the harness can. */
  interrupt(): Promise<void>;
}

interface Startable {
  start?(): Awaitable<void>;
  stop?(force?: boolean): Awaitable<void>;
}

/** A case that has not ended by then hangs. */
const CASE_LIMIT_MS = 30_000;

/** The capabilities that a case requires and a manager lacks; empty if the case applies. */
export function missingCapabilities(
  conformanceCase: Pick<ConformanceCase<never>, "requires">,
  capabilities: Readonly<Partial<ManagerCapabilities>> = {},
): (keyof ManagerCapabilities)[] {
  return (conformanceCase.requires ?? []).filter((capability) => !capabilities[capability]);
}

/** Makes a case of a body. */
export function defineCase<T extends Startable>(
  name: string,
  body: (stage: Stage<T>) => Promise<void>,
): ConformanceCase<T> {
  return { name, run: async (make) => runCase(await make(), body) };
}

async function runCase<T extends Startable>(
  harness: Harness<T>,
  body: (stage: Stage<T>) => Promise<void>,
): Promise<void> {
  const started = new Set<T>();
  const stage: Stage<T> = {
    async open() {
      const instance = await harness.open();
      if (!started.has(instance)) {
        started.add(instance);
        await instance.start?.();
      }
      return instance;
    },
    async stop(instance, force) {
      started.delete(instance);
      await instance.stop?.(force);
    },
    async advance(ms) {
      await (harness.advance ? harness.advance(ms) : sleep(ms));
    },
    canSkip: harness.advance !== undefined,
    async interrupt() {
      await harness.interrupt?.();
    },
  };
  const cleanUp = async () => {
    for (const instance of started) await stage.stop(instance, true);
    await harness.close?.();
  };
  // The clean-up comes after a failure too, and must not hide it.
  const [checked] = await Promise.allSettled([withinLimit(body(stage))]);
  const [cleaned] = await Promise.allSettled([withinLimit(cleanUp())]);
  for (const result of [checked, cleaned]) {
    if (result.status === "rejected") throw result.reason;
  }
}

async function withinLimit(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    const message = `not done after ${CASE_LIMIT_MS} ms: a call never settled`;
    timer = setTimeout(() => reject(new AssertionError({ message })), CASE_LIMIT_MS);
  });
  try {
    await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
