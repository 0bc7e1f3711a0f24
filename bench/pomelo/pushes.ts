import type { BenchApplication } from "./application.js";
import type { PushSample } from "./sample.js";

export interface PushLoad {
  members: number;
  outstanding: number;
  /** About how long to push. */
  durationMs: number;
}

const MIN_PUSHES = 20;
const MAX_PUSHES = 5000;
/** Where many are outstanding, so many pushes follow another one that the others do not matter much. */
const PUSHES_PER_OUTSTANDING = 1.5;
const MAX_AHEAD = 32;

/**
 * Pushes for a moment that is not measured: the processes may have been asked for nothing for a while. Then as many as are
 * enough; with thousands of clients that is not many.
 * @param guess how many pushes there will be per second, if that is known
 */
export async function measurePushes(application: BenchApplication, load: PushLoad, guess = 0): Promise<PushSample> {
  const { members, outstanding, durationMs } = load;
  const aheadMs = durationMs / 5;
  const ahead = atLeast(Math.min(outstanding, MAX_AHEAD), (guess * aheadMs) / 1000);
  const { perSecond } = await application.push({ members, outstanding, pushes: ahead });
  const min = Math.max(MIN_PUSHES, outstanding * PUSHES_PER_OUTSTANDING);
  return application.push({ members, outstanding, pushes: atLeast(min, ((guess || perSecond) * durationMs) / 1000) });
}

/**
 * Until processes have handled some thousands of pushes, their code is not compiled to its final form. Also, the first push
 * connects the backend's RPC.
 */
export async function warmUp(application: BenchApplication, { members, outstanding, durationMs }: PushLoad) {
  const endAt = performance.now() + durationMs;
  while (performance.now() < endAt) await application.push({ members, outstanding, pushes: 2 * outstanding });
}

function atLeast(min: number, count: number): number {
  return Math.round(Math.max(min, Math.min(count, MAX_PUSHES)));
}
