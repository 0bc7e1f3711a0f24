import { LatencyHistogram } from "../support/histogram.js";
import type { Recording } from "./recorder.js";

/** When messages were at the last of those whose recordings these are, and how long that took. */
export interface Latencies {
  /** When the last message was there, in milliseconds of the monotonic clock. */
  lastAt: number;
  histogram: LatencyHistogram;
}

/**
 * Compares when messages were sent with when they came; all clocks are the machine's.
 * @throws where a message has not come to each, or more than once
 */
export function latenciesOf(sent: Recording, received: readonly Recording[]): Latencies {
  const first = sent.numbers.reduce((least, number) => Math.min(least, number), Infinity);
  const size = sent.numbers.length;
  const lastAt = new Float64Array(size);
  for (const { numbers, times } of received) {
    const seen = new Uint8Array(size);
    for (const [index, number] of numbers.entries()) {
      const place = number - first;
      if (!(place >= 0 && place < size)) throw new Error(`message ${number} has come, which was not sent`);
      if (seen[place] === 1) throw new Error(`message ${number} has come twice`);
      seen[place] = 1;
      lastAt[place] = Math.max(lastAt[place]!, times[index]!);
    }
    if (numbers.length < size) throw new Error(`${size - numbers.length} of ${size} messages have not come`);
  }
  const histogram = new LatencyHistogram();
  for (const [index, number] of sent.numbers.entries()) histogram.record(lastAt[number - first]! - sent.times[index]!);
  return { lastAt: lastAt.reduce((latest, time) => Math.max(latest, time), 0), histogram };
}
