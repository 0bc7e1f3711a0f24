import { build, type Histogram } from "hdr-histogram-js";

/** A histogram of milliseconds, which it keeps as microseconds. */
export class LatencyHistogram {
  readonly #microseconds: Histogram = build({ numberOfSignificantValueDigits: 3 });

  record(ms: number): void {
    this.#microseconds.recordValue(Math.max(0, Math.round(ms * 1000)));
  }

  /** Adds what another one has recorded. */
  add(other: LatencyHistogram): void {
    this.#microseconds.add(other.#microseconds);
  }

  percentileMs(percentile: number): number {
    return this.#microseconds.getValueAtPercentile(percentile) / 1000;
  }
}
