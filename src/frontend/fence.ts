import { GlobalChannelError } from "../errors.js";
import type { RpcTransport } from "../types.js";
import type { Lease } from "./lease.js";

interface FenceOptions {
  sid: string;
  transport: RpcTransport;
  lease: Pick<Lease, "isValid" | "check">;
  report: (error: unknown) => void;
}

/**
 * Keeps out what was sent to this frontend before it was taken for dead. Its users may have moved meanwhile, and what was for
 * them here is for them elsewhere now. A process that was stopped does not know it: it finds requests waiting when it goes on.
 */
export class Fence {
  readonly #options: FenceOptions;
  #isClosed = false;
  /** How often it was closed. */
  #closings = 0;

  constructor(options: FenceOptions) {
    this.#options = options;
  }

  /** The lease may have ended. */
  close(): void {
    this.#isClosed = true;
    this.#closings++;
  }

  /** The lease is held again: opens when all has come that was sent before. */
  open(): void {
    if (this.#isClosed) void this.#open();
  }

  /** @throws `GC_FRONTEND_UNREACHABLE` while nothing is let through */
  check(): void {
    const { sid, lease } = this.#options;
    if (!this.#isClosed && lease.isValid) return;
    if (!this.#isClosed) this.close();
    lease.check();
    const message = `the lease of frontend ${JSON.stringify(sid)} had ended: its users may be elsewhere`;
    throw new GlobalChannelError("GC_FRONTEND_UNREACHABLE", message, { sid });
  }

  async #open(): Promise<void> {
    const { transport, sid, lease, report } = this.#options;
    const closings = this.#closings;
    try {
      await transport.fence?.(sid);
      if (closings === this.#closings && lease.isValid) this.#isClosed = false;
    } catch (error) {
      // The next renewal tries again.
      report(error);
    }
  }
}
