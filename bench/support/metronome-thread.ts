// The thread of a Metronome: waits until the next tick is due, and tells of it.
import { parentPort, workerData } from "node:worker_threads";
import type { Beats } from "./metronome.js";
import { monotonicMs } from "../../test/support/monotonic.js";

/** How much too late the system usually wakes a thread. This time before a tick is due, it no longer sleeps. */
const OVERSLEPT_MS = 0.06;
/** The first tick is due that long after it was asked for, so that it is not late either. */
const AHEAD_MS = 5;

const port = parentPort!;
/** Not 0: no more ticks are wanted. Nothing else wakes this thread before its time. */
const stopped = workerData as Int32Array;

port.on("message", (beats: Beats) => {
  beat(beats);
  port.postMessage(undefined);
});

function beat({ everyMs, count }: Beats): void {
  const startAt = monotonicMs() + AHEAD_MS;
  for (let tick = 0; tick < count; tick++) {
    const dueAt = startAt + tick * everyMs;
    for (let leftMs = dueAt - monotonicMs(); leftMs > 0; leftMs = dueAt - monotonicMs()) {
      if (leftMs > OVERSLEPT_MS) Atomics.wait(stopped, 0, 0, leftMs - OVERSLEPT_MS);
      if (Atomics.load(stopped, 0) !== 0) return;
    }
    port.postMessage(dueAt);
  }
}
