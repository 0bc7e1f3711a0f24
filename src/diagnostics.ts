import { channel } from "node:diagnostics_channel";
import type { PushReport } from "./service/push-report.js";
import type { LeaseState } from "./types.js";

/** What the subscribers of the diagnostics channel `globalchannel:error` get: an error that no caller waits for. */
export interface ErrorMessage {
  /** The service, frontend or part of the cluster that met it. */
  source: object;
  error: Error;
}

/** `globalchannel:push`: a push is settled. One for each call of `pushMessage`, `pushToUsers` and `broadcast`, also for those refused. */
export interface PushSettledMessage {
  service: object;
  /** As they were given: not checked yet, where the error says that they are wrong. */
  stype: string;
  route: string;
  /** The channels, of `pushMessage`. */
  names?: readonly string[];
  /** How many users, of `pushToUsers`. */
  uids?: number;
  /** What became of it; also of one that failed at every frontend. */
  report?: PushReport;
  /** What it rejected with. */
  error?: Error;
  /** From the call on, in milliseconds. */
  ms: number;
}

/** `globalchannel:lease`: a frontend has renewed its lease or given it back. A renewal that fails is an error. */
export interface LeaseMessage {
  frontend: object;
  sid: string;
  stype: string;
  /** What had become of the lease; `released`: the frontend has given it back, and stops. */
  state: LeaseState | "released";
  /** How long the registry took, in milliseconds. */
  ms: number;
  /** How many users are members of any channel here; undefined where the manager has no `versions`. */
  members: number | undefined;
  /** In how many channels; undefined as `members`. */
  channels: number | undefined;
  /** The longest that what came in had to wait for its turn, since the message before, in milliseconds. */
  lagMs: number;
}

/** `globalchannel:evicted`: a service has removed what a dead frontend had left. */
export interface EvictedMessage {
  service: object;
  sid: string;
  /** How many memberships this service has ended itself: others may do the same at the same time. */
  members: number;
}

/** `globalchannel:gap`: a subscription is made again. What came meanwhile is missed; what depends on it is read again. */
export interface GapMessage {
  /** The frontend or service; for `requests` and `replies` the transport. */
  source: object;
  /** What may have been missed: changes of members, requests to a frontend, or its replies. */
  of: "changes" | "requests" | "replies";
}

/** `globalchannel:lag`: something is late, or full. */
export interface LagMessage {
  /** The service, frontend or part of the cluster where it is. */
  source: object;
  /**
   * Of a service: `calls`, `pushes`. Of a frontend: `inbox`. Of Redis: `redis`, the pushes that it has not taken yet. Of
   * MySQL: `changes`, `sessions`, which wait to be written. Of a Snapper producer: `messages`, which the broker has not confirmed.
   */
  queue: "calls" | "pushes" | "inbox" | "redis" | "changes" | "sessions" | "messages";
  /** It is full: more than this is refused. Told once until it is half empty. Texts count in characters, all else by number. */
  limit?: number;
  /** It was handled late, by this many milliseconds. */
  ms?: number;
}

/** `globalchannel:slow-client`: a client is closed because it cannot keep up. */
export interface SlowClientMessage {
  connector: object;
  uid: string;
  /** How much it had not taken yet. */
  bufferedBytes: number;
}

/** What is told on each diagnostics channel. README lists the same. */
export interface DiagnosticsMessages {
  "globalchannel:error": ErrorMessage;
  "globalchannel:push": PushSettledMessage;
  "globalchannel:lease": LeaseMessage;
  "globalchannel:evicted": EvictedMessage;
  "globalchannel:gap": GapMessage;
  "globalchannel:lag": LagMessage;
  "globalchannel:slow-client": SlowClientMessage;
}

/**
 * A diagnostics channel of Node.js, with the type of its messages. Whoever publishes asks `hasSubscribers` first, so that nothing
 * is made that nobody hears. `publish` never throws: what a subscriber throws is an uncaught exception of its own.
 */
interface DiagnosticsChannel<N extends keyof DiagnosticsMessages> {
  readonly name: string | symbol;
  readonly hasSubscribers: boolean;
  publish(message: DiagnosticsMessages[N]): void;
}

function named<N extends keyof DiagnosticsMessages>(name: N): DiagnosticsChannel<N> {
  return channel(name);
}

export const diagnostics = {
  error: named("globalchannel:error"),
  push: named("globalchannel:push"),
  lease: named("globalchannel:lease"),
  evicted: named("globalchannel:evicted"),
  gap: named("globalchannel:gap"),
  lag: named("globalchannel:lag"),
  slowClient: named("globalchannel:slow-client"),
};

/** The names of all diagnostics channels. */
export const DIAGNOSTICS_CHANNELS: readonly (keyof DiagnosticsMessages)[] = Object.freeze(
  Object.values(diagnostics).map(({ name }) => name as keyof DiagnosticsMessages),
);

/** Tells of an error that no caller waits for. Never throws, never logs. */
export function reportError(source: object, error: unknown): void {
  if (!diagnostics.error.hasSubscribers) return;
  diagnostics.error.publish({ source, error: error instanceof Error ? error : new Error(String(error)) });
}

/** Tells that something may have been missed. */
export function reportGap(source: object, of: GapMessage["of"]): void {
  if (diagnostics.gap.hasSubscribers) diagnostics.gap.publish({ source, of });
}
