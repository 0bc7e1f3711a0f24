/** The ways to push that are compared, in the order in which they take turns. */
export const CONTENDERS = [
  "globalchannel",
  "globalchannel, ack: false",
  "globalchannel, socket.io",
  "globalchannel, sse",
  "original",
  "redis-adapter",
  "redis-adapter, sharded",
  "redis-streams-adapter",
  "Relay",
  "raw",
  "raw, one PUBLISH",
  "raw, sse",
] as const;
export type ContenderName = (typeof CONTENDERS)[number];

export interface Membership {
  name: string;
  uid: string;
  sid: string;
}

/** A contender's part at a backend. */
export interface Sender {
  start(): Promise<void>;
  /** Makes users members, where it is the backend that does that. @default nothing */
  fill?(memberships: readonly Membership[]): Promise<void>;
  /**
   * Takes some members out and makes others members. Those that acknowledge resolve when it is done; of the others, a push that
   * is called for later comes after it.
   */
  change?(leaves: readonly Membership[], joins: readonly Membership[]): Promise<void>;
  /**
   * Resolves when the contender has done all that it does for a push: those that acknowledge, when every frontend has
   * answered, with how many members have got it; the others, when Redis has answered.
   */
  push(name: string, msg: unknown): Promise<number | undefined>;
}

/** What clients speak: messages as they are, or Socket.IO, over a WebSocket; or Server-Sent Events. */
export type ClientProtocol = "plain" | "socket.io" | "sse";

/** A contender's part at a frontend. */
export interface Receiver {
  /** Resolves the port for clients, if there is one. */
  start(): Promise<number | undefined>;
  /** Makes users at this frontend members, where it is the frontends that know that. @default nothing */
  fill?(memberships: readonly Membership[]): Promise<void>;
}

export interface ReceiverOptions {
  /** Of Redis: of a Redis Cluster, as `redisAt` takes it, for this library only. */
  url: string;
  /** Where the members are, unless they are in Redis. */
  mysql?: string;
  sid: string;
  /** `none`: a message is at its end where it would be handed to clients; `real`: there are some. */
  clients: "none" | "real";
  /** With no clients: tells that a message has been handed to where they would be. */
  handOver: (number: number) => void;
}

/** Long enough for what is slow: a push that failed would measure nothing. */
export const TIMEOUT_MS = 60_000;

/** How many are written in one call. */
export const FILL_BATCH = 10_000;
