import type { ContenderName } from "../contenders/contender.js";
import type { Load } from "../support/load.js";

/**
 * Few at a time: a frontend of ours gets the pushes of one moment in one message, and its code is not compiled to its final form
 * before it has handled some ten thousands of messages.
 */
const WINDOW = 8;

/** How long contenders are warmed up. */
export interface WarmUp {
  /** Ours: its frontends get fewer messages than those of the others. */
  oursMs: number;
  othersMs: number;
}

/** A load that is not measured. */
export function warmUpLoad(contender: ContenderName, { oursMs, othersMs }: WarmUp): Load {
  return { window: WINDOW, durationMs: contender === "globalchannel" ? oursMs : othersMs, maxCalls: Infinity };
}
