import type { Channels } from "../cluster/channels.js";
import type { BenchCluster } from "../cluster/cluster.js";
import { isHeld } from "../cluster/rate-sample.js";
import type { ContenderName } from "../contenders/contender.js";
import { round } from "../support/statistics.js";

/** The highest rate at which a contender keeps up. */
export interface HighestRate {
  contender: ContenderName;
  /** In the closed loop from which the search began. */
  closedLoopPerSecond: number;
  heldPerSecond: number;
}

export interface Search {
  channels: Channels;
  /** For how long a rate is to be held. */
  durationMs: number;
  /** How often it is tried, until it is held once: a pause of the machine is not the contender's. */
  tries: number;
}

/** The closed loop from which the search begins. */
export const WINDOW = 64;
/** Percent of its pushes per second. */
const FIRST_PERCENT = 110;
const STEP_PERCENT = 10;

/**
 * Goes down from a little more than the closed loop reaches, until a rate is held; up, where that one already is: a queue longer
 * than the closed loop allows may make larger batches.
 */
export async function findHighestRate(
  cluster: BenchCluster,
  contender: ContenderName,
  { channels, durationMs, tries }: Search,
): Promise<HighestRate> {
  const load = { window: WINDOW, durationMs, maxCalls: Infinity };
  const { perSecond: closedLoopPerSecond } = await cluster.measure(contender, { channels, load });
  const rateAt = (percent: number): number => round((closedLoopPerSecond * percent) / 100);
  const holds = async (percent: number): Promise<boolean> => {
    const rate = { perSecond: rateAt(percent), durationMs };
    for (let left = tries; left > 0; left--) {
      if (isHeld(await cluster.measureAtRate(contender, { channels, rate }))) return true;
    }
    return false;
  };
  let percent = FIRST_PERCENT;
  if (await holds(percent)) {
    while (await holds(percent + STEP_PERCENT)) percent += STEP_PERCENT;
  } else {
    do percent -= STEP_PERCENT;
    while (percent > 0 && !(await holds(percent)));
  }
  if (percent === 0) throw new Error(`${contender} holds no rate, of ${closedLoopPerSecond} pushes/s in a closed loop`);
  return { contender, closedLoopPerSecond: round(closedLoopPerSecond), heldPerSecond: rateAt(percent) };
}
