import { randomBytes } from "node:crypto";
import { withId } from "./events.js";
import type { AnyRequest } from "./http-types.js";

/** The ids of events: which history they are of, and their number there. */
const ID_PATTERN = /^(?<history>[\w-]{22})\.(?<number>\d{1,15})$/;

/** Where a client has stopped reading. */
export interface Position {
  history: string;
  number: number;
}

/** Whether it is a client that comes back, whatever from. */
export function hasPosition({ headers }: AnyRequest): boolean {
  return Boolean(headers["last-event-id"]);
}

/** What a client says in `Last-Event-ID`, where that can be an id of ours. */
export function readPosition({ headers }: AnyRequest): Position | undefined {
  const { history, number } = ID_PATTERN.exec(String(headers["last-event-id"]))?.groups ?? {};
  return history === undefined ? undefined : { history, number: Number(number) };
}

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

  /** Keeps an event. Returns it with its id. */
  add(event: Buffer): Buffer {
    const numbered = withId(event, this.idOf(++this.#last));
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
