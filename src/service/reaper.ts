import { diagnostics } from "../diagnostics.js";
import { isGlobalChannelError } from "../errors.js";
import { Periodic } from "../periodic.js";
import type { Cluster } from "../types.js";
import { findLeftovers, removeLeftovers } from "./leftovers.js";

interface ReaperOptions {
  cluster: Cluster;
  graceMs: number;
  intervalMs: number;
  report: (error: unknown) => void;
  /** The service that it works for. */
  source: object;
}

/**
 * Removes what dead frontends have left: their members, each with a `leave` event, and their entry in the registry. Any
 * number of reapers may work in a cluster; each membership is removed by exactly one of them.
 */
export class Reaper {
  readonly #options: ReaperOptions;
  /** Sids that have members but are not live, and since when. */
  readonly #unlisted = new Map<string, number>();
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

  async sweep(): Promise<void> {
    const { cluster, graceMs, source } = this.#options;
    const { dead, unlisted } = await findLeftovers(cluster, graceMs);
    await removeLeftovers(cluster, { dead, unlisted: this.#unlistedTooLong(unlisted) }, (sid, members) => {
      if (diagnostics.evicted.hasSubscribers) diagnostics.evicted.publish({ service: source, sid, members });
    });
  }

  #unlistedTooLong(sids: readonly string[]): string[] {
    const now = performance.now();
    const unlisted = new Set(sids);
    for (const sid of this.#unlisted.keys()) {
      if (!unlisted.has(sid)) this.#unlisted.delete(sid);
    }
    for (const sid of unlisted) {
      if (!this.#unlisted.has(sid)) this.#unlisted.set(sid, now);
    }
    return [...this.#unlisted].filter(([, since]) => now - since > this.#options.graceMs).map(([sid]) => sid);
  }
}
