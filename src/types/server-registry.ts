import type { Awaitable } from "./awaitable.js";

/** One incarnation of a frontend. */
export interface FrontendId {
  sid: string;
  incarnation: string;
}

/** A frontend as the registry knows it. */
export interface FrontendInfo extends FrontendId {
  stype: string;
  /** Where it runs, for people: `pid 4711 on host-a`. */
  holder: string;
}

/**
 * What became of a lease when it was renewed: `held`; `lapsed`: it had ended, nobody had taken it, it is held again;
 * `missing`: the registry knew nothing of it, it is held again; `taken`: another incarnation holds the sid now.
 */
export type LeaseState = "held" | "lapsed" | "missing" | "taken";

/** Which frontends are alive, of which type? All times are on the registry's own clock. */
export interface ServerRegistry {
  start?(): Awaitable<void>;
  stop?(force?: boolean): Awaitable<void>;
  /**
   * Reserves `frontend.sid` for this incarnation, for `leaseMs`. It is not listed before the first {@link renew}, and not any more
   * where it was live: frontends that stop do that while their members are taken out.
   * @throws `GC_SID_IN_USE` with the `holder` while another incarnation's lease has not ended
   */
  register(frontend: FrontendInfo, leaseMs: number): Awaitable<void>;
  /** Makes or keeps it live for `leaseMs` from now. Changes nothing if the state is `taken`. 1 round trip. */
  renew(frontend: FrontendInfo, leaseMs: number): Awaitable<LeaseState>;
  /** Ends this incarnation's lease and forgets it. Resolves whether it was there. */
  unregister(frontend: FrontendId): Awaitable<boolean>;
  /** Forgets this incarnation if its lease has ended. Resolves whether it did. */
  forget(frontend: FrontendId): Awaitable<boolean>;
  /** The frontends that are alive now, in no order. 1 round trip, O(frontends). */
  list(): Awaitable<FrontendInfo[]>;
  /** The frontends whose lease, if only reserved, ended more than `graceMs` ago, and that were not forgotten since. */
  listDead(graceMs: number): Awaitable<FrontendInfo[]>;
}
