import { Arrivals } from "../cluster/arrivals.js";
import { message } from "../contenders/message.js";
import { applyLoad, type Load, type LoadResult } from "../support/load.js";

/** In the process that sends: messages, each of which is done when all clients have it. */
export class LoadRun {
  readonly #send: (text: string) => void;
  readonly #arrivals = new Arrivals();
  #lastNumber = 0;

  constructor(send: (text: string) => void) {
    this.#send = send;
  }

  /** Where clients tell what has come. */
  listen(): Promise<number> {
    return this.#arrivals.listen();
  }

  apply(load: Load): Promise<LoadResult> {
    const work = applyLoad(() => {
      const number = ++this.#lastNumber;
      const arrived = this.#arrivals.of(number);
      this.#send(JSON.stringify(message(number)));
      return arrived;
    }, load);
    return this.#arrivals.within(load.durationMs, work);
  }
}
