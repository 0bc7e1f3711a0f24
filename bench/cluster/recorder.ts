import { monotonicMs } from "../support/monotonic.js";
import { ArrivalReporter } from "./arrivals.js";

/** When messages came: at the same place in both, the number and the time in milliseconds of {@link monotonicMs}. */
export interface Recording {
  numbers: Float64Array;
  times: Float64Array;
}

/** Notes which messages have come to a frontend, and when. */
export class Recorder {
  readonly #reporter = new ArrivalReporter();
  #numbers: number[] = [];
  #times: number[] = [];

  /** Forgets what has come. @param port of the {@link Arrivals} that are told of each message, if any are to be told */
  async begin(port?: number): Promise<void> {
    await this.#reporter.reportTo(port);
    this.#numbers = [];
    this.#times = [];
  }

  note(number: number): void {
    this.#numbers.push(number);
    this.#times.push(monotonicMs());
    this.#reporter.arrived(number);
  }

  get count(): number {
    return this.#numbers.length;
  }

  get recording(): Recording {
    return { numbers: Float64Array.from(this.#numbers), times: Float64Array.from(this.#times) };
  }
}
