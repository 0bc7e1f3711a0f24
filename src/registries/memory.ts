import { sidInUse } from "../errors.js";
import type { FrontendId, FrontendInfo, LeaseState, ServerRegistry } from "../types.js";

interface Lease {
  frontend: FrontendInfo;
  endsAtMs: number;
  /** Whether it has been renewed since it was registered. */
  live: boolean;
}

/** Keeps leases in this process. See {@link ServerRegistry}. */
export class MemoryServerRegistry implements ServerRegistry {
  readonly #leases = new Map<string, Lease>();

  register(frontend: FrontendInfo, leaseMs: number): void {
    const lease = this.#leases.get(frontend.sid);
    if (lease && lease.frontend.incarnation !== frontend.incarnation && lease.endsAtMs > now()) {
      throw sidInUse(frontend.sid, lease.frontend.holder);
    }
    this.#leases.set(frontend.sid, { frontend, endsAtMs: now() + leaseMs, live: false });
  }

  renew(frontend: FrontendInfo, leaseMs: number): LeaseState {
    const lease = this.#leases.get(frontend.sid);
    if (lease && lease.frontend.incarnation !== frontend.incarnation) return "taken";
    this.#leases.set(frontend.sid, { frontend, endsAtMs: now() + leaseMs, live: true });
    if (!lease) return "missing";
    return lease.endsAtMs > now() ? "held" : "lapsed";
  }

  unregister({ sid, incarnation }: FrontendId): boolean {
    return this.#leases.get(sid)?.frontend.incarnation === incarnation && this.#leases.delete(sid);
  }

  forget(frontend: FrontendId): boolean {
    const lease = this.#leases.get(frontend.sid);
    return lease !== undefined && lease.endsAtMs <= now() && this.unregister(frontend);
  }

  list(): FrontendInfo[] {
    return [...this.#leases.values()]
      .filter(({ live, endsAtMs }) => live && endsAtMs > now())
      .map(({ frontend }) => frontend);
  }

  listDead(graceMs: number): FrontendInfo[] {
    return [...this.#leases.values()]
      .filter(({ endsAtMs }) => endsAtMs + graceMs < now())
      .map(({ frontend }) => frontend);
  }
}

/** Milliseconds on a clock that nobody sets. */
function now(): number {
  return performance.now();
}
