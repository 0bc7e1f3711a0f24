import type { Load } from "../support/load.js";

/**
 * Few at a time first: a frontend of ours gets the pushes of one moment in one message, and its code is not compiled to its final
 * form before it has handled some thousands of messages. Then many, as they are measured.
 */
const WINDOWS = [8, 64];

/** Loads that are not measured, the same for every contender. */
export function warmUpLoads(durationMs: number): Load[] {
  return WINDOWS.map((window) => ({ window, durationMs: durationMs / WINDOWS.length, maxCalls: Infinity }));
}
