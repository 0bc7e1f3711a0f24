import { GlobalChannelError } from "../errors.js";
import type { RpcTransport } from "../types.js";
import type { Lease } from "./lease.js";

interface FenceOptions {
  sid: string;
  transport: RpcTransport;
  lease: Pick<Lease, "isValid" | "check">;
  /** Is told when requests are let through again. */
  opened: () => void;
  report: (error: unknown) => void;
}

/** How many requests may wait for a refusal; those beyond get none. */
const MAX_REFUSED = 10_000;

/**
 * Keeps out what was sent to this frontend before it was taken for dead. Its users may have moved meanwhile, and what was for
 * them here is for them elsewhere now. A process that was stopped does not know it: it finds requests waiting when it goes on.
 */
export class Fence {
  readonly #options: FenceOptions;
  #isClosed = false;
  /** How often it was closed. */
  #closings = 0;
  /** What was not let through, and is not answered yet. */
  readonly #refused: (() => void)[] = [];
  #isReleased = false;

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
    this.#answerRefused();
    if (this.#isClosed) void this.#open();
  }

  /** Whether requests are let through. */
  get isOpen(): boolean {
    return !this.#isClosed && this.#options.lease.isValid;
  }

  /**
   * Rejects for a request that is not let through with `GC_FRONTEND_UNREACHABLE`, once the lease is held again. While it is
   * not known who has the sid, and if it is another incarnation, it does not settle: that one has got the request, too, and
   * only its answer is true.
   */
  refuse(): Promise<never> {
    const { sid, lease } = this.#options;
    lease.check();
    const message = `the lease of frontend ${JSON.stringify(sid)} had ended: its users may be elsewhere`;
    return new Promise((_resolve, reject) => {
      const answer = (): void => reject(new GlobalChannelError("GC_FRONTEND_UNREACHABLE", message, { sid }));
      if (this.#isReleased) answer();
      else this.#refused.push(answer);
    });
  }

  /** The same for a request that has just come, and counts nowhere yet: beyond a bound it is never answered. */
  refuseArrival(): Promise<never> {
    return this.#refused.length < MAX_REFUSED ? this.refuse() : new Promise(() => {});
  }

  /** The frontend is not live any more by its own wish, and no other incarnation has the sid. */
  release(): void {
    this.#isReleased = true;
    this.#answerRefused();
  }

  #answerRefused(): void {
    for (const answer of this.#refused.splice(0)) answer();
  }

  async #open(): Promise<void> {
    const { transport, sid, lease, opened, report } = this.#options;
    const closings = this.#closings;
    try {
      await transport.fence?.(sid);
      if (closings !== this.#closings || !lease.isValid) return;
      this.#isClosed = false;
      opened();
    } catch (error) {
      // The next renewal tries again.
      report(error);
    }
  }
}
