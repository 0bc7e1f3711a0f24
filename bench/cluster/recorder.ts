import { monotonicMs } from "../../test/support/monotonic.js";
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
  /** How many had come when they were asked for. */
  #taken: number | undefined;

  /** Forgets what has come. @param port of the {@link Arrivals} that are told of each message, if any are to be told */
  async begin(port?: number): Promise<void> {
    if (this.#taken !== undefined && this.count > this.#taken) {
      throw new Error(`${this.count - this.#taken} messages have come after all had come`);
    }
    this.#taken = undefined;
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
    this.#taken = this.count;
    return { numbers: Float64Array.from(this.#numbers), times: Float64Array.from(this.#times) };
  }
}
