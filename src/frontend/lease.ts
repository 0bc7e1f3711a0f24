import { setTimeout as sleep } from "node:timers/promises";
import { GlobalChannelError, isGlobalChannelError, sidTaken } from "../errors.js";
import type { FrontendInfo, LeaseState, ServerRegistry } from "../types.js";

interface LeaseOptions {
  registry: ServerRegistry;
  frontend: FrontendInfo;
  leaseMs: number;
  /** The lease has been renewed; `state` says what had become of it when that was asked for. One call at a time. */
  renewed: (state: Exclude<LeaseState, "taken">, askedAt: number) => Promise<void>;
  /** The lease may have ended: others may have taken this frontend for dead. */
  lapsed: () => void;
  /** The lease is held, maybe again. */
  held: () => void;
  /** Is told of each renewal, and of the end: what had become of the lease, and how long the registry took, in milliseconds. */
  observed: (state: LeaseState | "released", ms: number) => void;
  /** Another incarnation has the sid. */
  lost: (holder: string) => void;
  report: (error: unknown) => void;
}

/** How often a frontend says that it is alive, per lease: two messages may be late before it is taken for dead. */
const RENEWALS_PER_LEASE = 3;

/** How soon a renewal that has failed is tried again, per lease. */
const RETRIES_PER_LEASE = 15;

/** A frontend's lease on its sid: reserves it, keeps it alive, gives it back. */
export class Lease {
  readonly #options: LeaseOptions;
  #timer: NodeJS.Timeout | undefined;
  #retry: NodeJS.Timeout | undefined;
  #renewal: Promise<unknown> | undefined;
  #reconciling: Promise<void> | undefined;
  #released = false;
  #isRetired = false;
  #isTaken = false;
  /** The worst that has become of the lease and is not told of yet. */
  #untold: Exclude<LeaseState, "taken"> = "held";
  /** Until when the lease surely lasts, by the clock of this process, which goes on while that is stopped. */
  #validUntil = Infinity;

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /** Reserves the sid. Waits, once, for the lease of an incarnation that may have crashed. */
  async reserve(): Promise<void> {
    const { registry, frontend, leaseMs } = this.#options;
    this.#released = this.#isRetired = this.#isTaken = false;
    this.#validUntil = Infinity;
    const patienceEndsAt = performance.now() + leaseMs * 1.2;
    for (;;) {
      try {
        return await registry.register(frontend, leaseMs);
      } catch (error) {
        // It may have crashed.
        if (!isSidInUse(error) || performance.now() > patienceEndsAt) throw error;
        await sleep(leaseMs / 10);
      }
    }
  }

  /** Makes the frontend live, and keeps it so. @throws `GC_SID_TAKEN` another one has the sid: the reservation has ended */
  async hold(): Promise<void> {
    const holder = await this.#renew();
    await this.#reconciling;
    if (holder !== undefined) throw sidTaken(this.#options.frontend.sid, holder);
    this.#timer = setInterval(() => this.check(), this.#options.leaseMs / RENEWALS_PER_LEASE);
  }

  /** Whether nobody can have taken this frontend for dead since its lease was last renewed. */
  get isValid(): boolean {
    return performance.now() < this.#validUntil;
  }

  /** Renews now, not only when it is time. */
  check(): void {
    if (this.#released || !this.#timer) return;
    this.#renewal ??= this.#renew()
      .then((holder) => holder !== undefined && this.#options.lost(holder))
      .catch((error: unknown) => this.#failed(error))
      .finally(() => (this.#renewal = undefined));
  }

  /**
   * Ends the frontend's being live, so that no push is for it any more. The sid stays reserved for the length of a lease, mostly
   * until {@link release}: if this process dies before that, others find that the lease has ended, and clean up.
   */
  async retire(): Promise<void> {
    const { registry, frontend, leaseMs } = this.#options;
    await this.#end();
    try {
      // Not to be taken back from the other one, whatever has become of its lease.
      if (!this.#isTaken) await registry.register(frontend, leaseMs);
    } catch (error) {
      if (!isSidInUse(error)) throw error;
      this.#isTaken = true;
    }
    this.#isRetired = true;
  }

  /** Whether {@link retire} is done. */
  get isRetired(): boolean {
    return this.#isRetired;
  }

  /** Whether another incarnation has the sid, as far as is known. */
  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** Gives the sid back. */
  async release(): Promise<void> {
    const { registry, frontend, observed } = this.#options;
    await this.#end();
    const startedAt = performance.now();
    await registry.unregister(frontend);
    observed("released", performance.now() - startedAt);
  }

  /** No renewal comes any more, and none is under way. */
  async #end(): Promise<void> {
    this.#released = true;
    clearInterval(this.#timer);
    clearTimeout(this.#retry);
    this.#timer = undefined;
    await this.#renewal;
    await this.#reconciling;
  }

  /** The store may be back long before it is time: members may have to be registered again. */
  #failed(error: unknown): void {
    const { leaseMs, report } = this.#options;
    report(error);
    clearTimeout(this.#retry);
    if (!this.#released) this.#retry = setTimeout(() => this.check(), leaseMs / RETRIES_PER_LEASE);
  }

  /** Resolves who has taken the sid, or undefined if the lease is held. */
  async #renew(): Promise<string | undefined> {
    const { registry, frontend, leaseMs, renewed, lapsed, held, observed, report } = this.#options;
    if (!this.isValid) lapsed();
    const askedAt = performance.now();
    this.#validUntil = Math.min(this.#validUntil, askedAt + leaseMs);
    const state = await registry.renew(frontend, leaseMs);
    if (this.#released) return undefined;
    observed(state, performance.now() - askedAt);
    if (state === "taken") {
      this.#isTaken = true;
      this.#validUntil = -Infinity;
      lapsed();
      // Who it is matters less than that it is so.
      const other = await this.#findOther().catch(() => undefined);
      return other?.holder ?? "another incarnation";
    }
    if (state === "missing" || this.#untold === "held") this.#untold = state;
    // The registry's clock counts: it may have ended just before it was asked for.
    if (state !== "held") lapsed();
    this.#validUntil = askedAt + leaseMs;
    // Somebody may have the sid since.
    if (!this.isValid) throw tooLate(frontend.sid);
    held();
    const worst = this.#untold;
    this.#untold = "held";
    // Not waited for: the lease must be kept while many members are registered again.
    this.#reconciling = (this.#reconciling ?? Promise.resolve()).then(() => renewed(worst, askedAt)).catch(report);
    return undefined;
  }

  /** The live frontend that has the sid, if it is not this one. */
  async #findOther(): Promise<FrontendInfo | undefined> {
    const { registry, frontend } = this.#options;
    const live = await registry.list();
    return live.find(({ sid, incarnation }) => sid === frontend.sid && incarnation !== frontend.incarnation);
  }
}

function isSidInUse(error: unknown): boolean {
  return isGlobalChannelError(error) && error.code === "GC_SID_IN_USE";
}

function tooLate(sid: string): GlobalChannelError {
  const message = `the answer to the renewal of the lease of ${JSON.stringify(sid)} took longer than the lease`;
  return new GlobalChannelError("GC_STORE_UNAVAILABLE", message, { sid });
}
