import { randomBytes } from "node:crypto";
import { encodeEventId } from "./event-id.js";
import { withId } from "./events.js";

/** The last events of a session. */
export class History {
  /** Nobody finds one by trying: whoever has it may go on reading. */
  readonly id = randomBytes(16).toString("base64url");
  readonly #size: number;
  readonly #maxBytes: number;
  /** Those that are kept, in their order; the last one has the number {@link #last}. */
  readonly #events: Buffer[] = [];
  #bytes = 0;
  #last = 0;

  constructor(size: number, maxBytes: number) {
    this.#size = size;
    this.#maxBytes = maxBytes;
  }

  /** The number of the last event; 0 before the first one. */
  get last(): number {
    return this.#last;
  }

  /** The id of the event with this number. */
  idOf(number: number): string {
    return `${this.id}.${number}`;
  }

  /** Keeps an event. Returns it with its id, which also says where the client is in its channels. */
  add(event: Buffer, channels: string): Buffer {
    const numbered = withId(event, encodeEventId(this.idOf(++this.#last), channels));
    this.#events.push(numbered);
    this.#bytes += numbered.length;
    while (this.#events.length > this.#size || (this.#bytes > this.#maxBytes && this.#events.length > 1)) {
      this.#bytes -= this.#events.shift()!.length;
    }
    return numbered;
  }

  /** The events after this one that are kept, and how many there were before those that are not any more. */
  since(number: number): { events: readonly Buffer[]; missed: number } {
    const first = this.#last - this.#events.length + 1;
    return { events: this.#events.slice(Math.max(0, number + 1 - first)), missed: Math.max(0, first - number - 1) };
  }
}
