import type { HistoryPatterns } from "../../../src/history-limits.js";

/** What is done to a run, besides clients that come and go. */
export const FAULTS = [
  /** Redis is killed, and is empty when it is back. */
  "lose-all",
  /** It is killed, and has all that it had. */
  "keep-all",
  /** It is killed, and has what it had a while ago. */
  "go-back",
  "flush",
  /** Connections of a process break: its subscriptions, its commands or both. */
  "cut",
  /** A process hears nothing for a while: it comes late. */
  "hold",
  "restart-frontend",
  "destroy-channel",
] as const;

export type FaultKind = (typeof FAULTS)[number];

export interface Settings {
  /** The choices of clients, pushes and faults follow from it; what they meet, the time decides. */
  seed: number;
  /** How many clients' connections are to break before the end. */
  disconnects: number;
  /** How many clients there are at a time. */
  clients: number;
  frontends: number;
  faults: readonly FaultKind[];
  /** How long it is between two faults, at least and at most, in milliseconds. */
  faultEveryMs: readonly [number, number];
  /** The same of pushes. */
  pushEveryMs: readonly [number, number];
  /** How long clients have, once all is well, to get what they have missed, in milliseconds. */
  settleMs: number;
}

export const STYPE = "connector";
/** A type of which there is no frontend. */
export const OTHER_STYPE = "observer";

/** `busy` ones forget soon, what `rare` ones keep is over soon. */
export const PATTERNS: HistoryPatterns = {
  "busy:*": { size: 6, ttlMs: 60_000 },
  "rare:*": { size: 50, ttlMs: 250 },
  "room:*": { size: 200, ttlMs: 60_000 },
};

export const CHANNELS = ["busy:1", "busy:2", "rare:1", "rare:2", "room:1", "room:2", "room:3", "room:__proto__"];
/** Of how many of them each user is a member. */
export const CHANNELS_EACH = 4;

export function seedFromEnvironment(): number {
  return Number(process.env["RECOVERY_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
}
