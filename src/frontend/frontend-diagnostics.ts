import { diagnostics, type LeaseMessage } from "../diagnostics.js";
import type { FrontendInfo } from "../types.js";
import { LoopLag } from "./loop-lag.js";
import type { Mirror } from "./mirror.js";

/** From when on it is told that a frontend handles what comes in too late, in milliseconds. */
const MAX_LAG_MS = 500;

/** What a frontend tells of itself on the diagnostics channels, besides errors. */
export class FrontendDiagnostics {
  readonly #source: object;
  readonly #info: FrontendInfo;
  readonly #mirror: Mirror | undefined;
  readonly #lag = new LoopLag(MAX_LAG_MS, (ms) => {
    if (diagnostics.lag.hasSubscribers) diagnostics.lag.publish({ source: this.#source, queue: "inbox", ms });
  });

  constructor(source: object, info: FrontendInfo, mirror: Mirror | undefined) {
    this.#source = source;
    this.#info = info;
    this.#mirror = mirror;
  }

  start(): void {
    this.#lag.start();
  }

  stop(): void {
    this.#lag.stop();
  }

  /** The lease was renewed or given back, which took `ms`. */
  lease(state: LeaseMessage["state"], ms: number): void {
    if (!diagnostics.lease.hasSubscribers) return;
    const { sid, stype } = this.#info;
    const { userCount: members, channelCount: channels } = this.#mirror ?? {};
    const lagMs = this.#lag.takeLongest();
    diagnostics.lease.publish({ frontend: this.#source, sid, stype, state, ms, members, channels, lagMs });
  }
}
