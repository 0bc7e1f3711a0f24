import { GlobalChannelError } from "../errors.js";
import type { ChannelManager, MemberSetChange, MembershipEvent, Unsubscribe } from "../types.js";

/** Watches all changes of the cluster while somebody listens, and tells them one member at a time. */
export class MembershipEvents {
  readonly #manager: ChannelManager;
  readonly #emit: (type: "join" | "leave", event: MembershipEvent) => void;
  readonly #report: (error: unknown) => void;
  readonly #gap: () => void;
  #watching: Promise<Unsubscribe | undefined> | undefined;

  constructor(
    manager: ChannelManager,
    emit: (type: "join" | "leave", event: MembershipEvent) => void,
    report: (error: unknown) => void,
    gap: () => void,
  ) {
    this.#manager = manager;
    this.#emit = emit;
    this.#report = report;
    this.#gap = gap;
  }

  async start(): Promise<void> {
    this.#watching ??= this.#watch().catch((error: unknown) => {
      // Whoever listens next tries again.
      this.#watching = undefined;
      throw error;
    });
    await this.#watching;
  }

  async stop(): Promise<void> {
    const unwatch = await this.#watching?.catch(() => undefined);
    this.#watching = undefined;
    await unwatch?.();
  }

  async #watch(): Promise<Unsubscribe | undefined> {
    if (!this.#manager.capabilities?.events) {
      // Not worth a failed start, but whoever listens should not wait unknowing.
      const message = "join and leave are never told: they need a channel manager with the capability events";
      this.#report(new GlobalChannelError("GC_UNSUPPORTED", message));
      return undefined;
    }
    return this.#manager.watchAll?.({ change: (change) => this.#tell(change), gap: this.#gap });
  }

  #tell(change: MemberSetChange): void {
    if (change.type === "clear") return;
    const { type, name, sid, reason } = change;
    for (const uid of change.uids) this.#emit(type, { name, uid, sid, reason });
  }
}
