import { diagnostics } from "../diagnostics.js";
import { isGlobalChannelError } from "../errors.js";
import { Periodic } from "../periodic.js";
import type { Cluster, FrontendId } from "../types.js";
import { findUnlisted, forgetDead } from "./leftovers.js";

/** How often it is looked whether the grace of a dead frontend has ended, in milliseconds. */
const SOON_MS = 100;

interface ReaperOptions {
  cluster: Cluster;
  graceMs: number;
  intervalMs: number;
  report: (error: unknown) => void;
  /** The service that it works for. */
  source: object;
}

/**
 * Removes what dead frontends have left: their entry in the registry, and their members, each with a `leave` event. Any
 * number of reapers may work in a cluster; each membership is removed by exactly one of them. What one leaves undone, as it dies
 * itself, another one finds later, as members at a sid that nobody holds.
 */
export class Reaper {
  readonly #options: ReaperOptions;
  /** Frontends whose members could not be removed, and when that is tried again. */
  readonly #failed = new Map<FrontendId, number>();
  /** The sids that had members but were not live when that was looked for last, and when that was. */
  #unlisted = new Set<string>();
  #lookedAt = -Infinity;
  readonly #sweeps: Periodic;

  constructor(options: ReaperOptions) {
    this.#options = options;
    this.#sweeps = new Periodic(
      () => this.sweep(),
      options.intervalMs,
      (error) => {
        // A registry that has not been told of anybody yet: the next time it may have been.
        if (!isGlobalChannelError(error) || error.code !== "GC_NOT_STARTED") options.report(error);
      },
    );
  }

  start(): void {
    if (this.#options.cluster.manager.capabilities?.eviction) this.#sweeps.start();
  }

  stop(): Promise<void> {
    return this.#sweeps.stop();
  }

  /** Resolves after how many milliseconds the next one is due, where that is soon: the grace of a dead frontend is to end in time. */
  async sweep(): Promise<number | undefined> {
    const { cluster, graceMs } = this.#options;
    try {
      const dead = await cluster.registry.listDead(0);
      if (dead.length > 0) {
        // Each at once: a frontend that returns later is not to lose whom it has had since.
        for await (const frontend of forgetDead(cluster, graceMs)) await this.#evict(frontend);
      }
      for (const frontend of this.#takeFailed()) await this.#evict(frontend);
      for (const frontend of await this.#findUnlistedTooLong()) await this.#evict(frontend);
      return dead.length > 0 ? SOON_MS : undefined;
    } catch (error) {
      // A store that comes back may have lost everything: who is in it then is not who was unlisted before.
      this.#unlisted.clear();
      for (const frontend of this.#failed.keys()) this.#failed.set(frontend, performance.now() + graceMs);
      throw error;
    }
  }

  /**
   * What fails is tried again a grace later, and keeps no other frontend waiting. Not sooner: where the store was away, this
   * frontend may be alive and about to say so, and have members again.
   */
  async #evict(frontend: FrontendId): Promise<void> {
    const { cluster, graceMs, report, source } = this.#options;
    try {
      const members = (await cluster.manager.evict?.(frontend, "server-down")) ?? 0;
      if (diagnostics.evicted.hasSubscribers)
        diagnostics.evicted.publish({ service: source, sid: frontend.sid, members });
    } catch (error) {
      this.#unlisted.delete(frontend.sid);
      this.#failed.set(frontend, performance.now() + graceMs);
      report(error);
    }
  }

  #takeFailed(): FrontendId[] {
    const due = [...this.#failed].filter(([, at]) => at <= performance.now()).map(([frontend]) => frontend);
    for (const frontend of due) this.#failed.delete(frontend);
    return due;
  }

  /**
   * Those that were unlisted when it was looked before, too. As this is rare, and costs more than a look at the leases, it is
   * done once in a grace.
   */
  async #findUnlistedTooLong(): Promise<FrontendId[]> {
    if (performance.now() - this.#lookedAt < this.#options.graceMs) return [];
    const unlisted = await findUnlisted(this.#options.cluster);
    const failed = new Set([...this.#failed.keys()].map(({ sid }) => sid));
    const tooLong = unlisted.filter(({ sid }) => this.#unlisted.has(sid) && !failed.has(sid));
    this.#unlisted = new Set(unlisted.map(({ sid }) => sid));
    this.#lookedAt = performance.now();
    return tooLong;
  }
}
