import { Metronome } from "./metronome.js";
import { monotonicMs } from "../../test/support/monotonic.js";

/** Calls at times that do not depend on what becomes of them. */
export interface Rate {
  perSecond: number;
  durationMs: number;
}

export interface RateResult {
  /** When each call was due, in milliseconds of {@link monotonicMs}. */
  dueAt: Float64Array;
  /** How late the first call of each tick was. */
  lateMs: Float64Array;
  /** Whether it was given up, because calls took too long. */
  isCutShort: boolean;
}

/** What is due within this time is due at once, as what a game server sends after each of its ticks. */
const MIN_TICK_MS = 1;
/** More calls under way would only show how long a queue may become. */
const MAX_UNDER_WAY = 20_000;
/** How many times the planned duration it may take to begin the calls. */
const MAX_STRETCH = 2;

let metronome: Promise<Metronome> | undefined;

/**
 * Begins calls at a fixed rate, whatever has become of those before, and waits for them. Those that are begun late have been due
 * nevertheless: whoever counts from when they were due omits nothing.
 * @throws what a call has rejected with
 */
export async function applyRate(call: () => Promise<unknown>, { perSecond, durationMs }: Rate): Promise<RateResult> {
  const everyMs = Math.max(1000 / perSecond, MIN_TICK_MS);
  const perTick = (perSecond * everyMs) / 1000;
  const count = Math.max(1, Math.round(durationMs / everyMs));
  const dueAt: number[] = [];
  const lateMs: number[] = [];
  let startAt: number | undefined;
  /** And those that have failed. */
  const underWay = new Set<Promise<unknown>>();
  let hasFailed = false;
  let isCutShort = false;
  const begin = (): void => {
    const called = call();
    underWay.add(called);
    called.then(
      () => underWay.delete(called),
      () => (hasFailed = true),
    );
  };
  const tick = (due: number): boolean => {
    const now = monotonicMs();
    startAt ??= due;
    isCutShort = underWay.size > MAX_UNDER_WAY || now - startAt > durationMs * MAX_STRETCH;
    if (hasFailed || isCutShort) return false;
    lateMs.push(now - due);
    // Where a tick is not a whole number of calls, some ticks have one more.
    while (dueAt.length < Math.round(lateMs.length * perTick)) {
      dueAt.push(due);
      begin();
    }
    return true;
  };
  await (await (metronome ??= Metronome.start())).beat({ everyMs, count }, tick);
  await Promise.all(underWay);
  return { dueAt: Float64Array.from(dueAt), lateMs: Float64Array.from(lateMs), isCutShort };
}
