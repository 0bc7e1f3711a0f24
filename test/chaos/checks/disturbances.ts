import type { Fault, History } from "../history.js";

/** For how long a fault has effects after it is over, where leases may have ended. README says how long it takes to make that good. */
const RECOVERY_MS = 5000;
/** The same, where connections have to be made again at most. */
const SHORT_RECOVERY_MS = 2000;
/** Faults that always end leases, or what they are about. */
const ENDS = ["kill-frontend", "replace-frontend", "roll-frontend", "kill-backend", "flush", "kill-redis"];
/** Faults after which members, leases and messages on their way are gone. */
const LOSSES = ["flush", "kill-redis"];
/** Faults after which a frontend may have missed what it was told, and during which it may be taken for dead. */
const ISOLATIONS = ["hold", "half-open", "vanish", "refuse"];
/** Faults with which subscriptions end: a frontend that is stopped meanwhile misses what it would else be told when it goes on. */
const DEAFENING = ["kill-clients", "stop-redis"];
/** A frontend may be taken for dead that much earlier than counted from the beginning of its fault: leases are renewed before. */
const LEASE_SLACK_MS = 1000;

/** A time in which something was wrong, until nothing of it can be seen any more. */
export interface Disturbance {
  from: number;
  to: number;
  fault: Fault;
}

/** When what was disturbed. */
export class Disturbances {
  /** When Redis lost everything, or all that it had of one frontend. */
  readonly losses: readonly Fault[];
  readonly #byTarget = new Map<string, Disturbance[]>();

  constructor({ faults, leaseMs, graceMs }: Pick<History, "faults" | "leaseMs" | "graceMs">) {
    const evictedAfterMs = leaseMs + graceMs - LEASE_SLACK_MS;
    const isDeaf = ({ kind, from, to }: Fault): boolean =>
      ISOLATIONS.includes(kind) ||
      (kind === "stop-frontend" &&
        faults.some((other) => DEAFENING.includes(other.kind) && other.from < to && other.to > from));
    this.losses = faults.filter(
      (fault) => LOSSES.includes(fault.kind) || (fault.to - fault.from > evictedAfterMs && isDeaf(fault)),
    );
    for (const fault of faults) {
      const all = this.#byTarget.get(fault.target) ?? [];
      this.#byTarget.set(fault.target, all);
      all.push({ from: fault.from, to: fault.to + recoveryOf(fault, leaseMs), fault });
    }
  }

  /** Whether anything but one fault was wrong with these lives, with Redis or with the machine at any moment between two times. */
  between(from: number, to: number, lives: readonly string[], but?: Fault): boolean {
    return [...lives, "redis", "machine"].some((target) =>
      this.of(target).some((one) => one.fault !== but && one.from < to && one.to > from),
    );
  }

  /** The first moment from `time` on at which nothing but one fault was wrong with these lives, with Redis or with the machine. */
  calmFrom(time: number, lives: readonly string[], but?: Fault): number {
    const all = [...lives, "redis", "machine"].flatMap((target) => this.of(target));
    let calm = time;
    for (const { from, to, fault } of all.toSorted((a, b) => a.from - b.from)) {
      if (fault !== but && from <= calm && to > calm) calm = to;
    }
    return calm;
  }

  of(target: string): readonly Disturbance[] {
    return this.#byTarget.get(target) ?? [];
  }
}

function recoveryOf({ kind, from, to }: Fault, leaseMs: number): number {
  return ENDS.includes(kind) || to - from > leaseMs / 2 ? RECOVERY_MS : SHORT_RECOVERY_MS;
}
