/** A way to push to the members of a channel. */
export interface Contender {
  start(): Promise<void>;
  /** Makes users members, each at a frontend. */
  fill(name: string, members: readonly { uid: string; sid: string }[]): Promise<void>;
  /** Resolves how many members have got it, once every frontend has answered. */
  push(name: string, msg: unknown): Promise<number>;
  /** Resolves when everything that was pushed has arrived, where `push` does not wait for that. */
  settled?(): Promise<void>;
}

export const CONTENDERS = ["globalchannel", "original", "raw"] as const;
export type ContenderName = (typeof CONTENDERS)[number];

/** Long enough for what is slow: a push that failed would measure nothing. */
export const TIMEOUT_MS = 60_000;

/** How many are written in one call. */
export const FILL_BATCH = 10_000;
