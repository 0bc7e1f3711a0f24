import type { Backlog } from "./backlog.js";

/** What becomes of a message, for who waits for it. */
export interface Settlers {
  resolve: () => void;
  reject: (error: Error) => void;
}

interface Message {
  readonly bytes: number;
  readonly settlers: Settlers | undefined;
}

/** Enough for a round trip to be worth it, and few enough for nobody to wait for long. */
const MAX_MESSAGES = 50;

/** Messages that go together, in their order. Each counts in the backlog until the batch is settled. */
export class Batch {
  readonly #backlog: Backlog;
  readonly #maxBytes: number;
  readonly #messages: Message[] = [];
  readonly #json: string[] = [];
  #bytes = 0;

  /** @param maxBytes how much goes into it; a single message may be more */
  constructor(backlog: Backlog, maxBytes: number) {
    this.#backlog = backlog;
    this.#maxBytes = maxBytes;
  }

  get size(): number {
    return this.#messages.length;
  }

  /** The params of `publish`: `[[room, message], ...]`. */
  get paramsJson(): string {
    return `[${this.#json.join(",")}]`;
  }

  hasRoomFor(bytes: number): boolean {
    // With the comma before it.
    return this.size === 0 || (this.size < MAX_MESSAGES && this.#bytes + 1 + bytes <= this.#maxBytes);
  }

  /** @param json `[room, message]` */
  add(json: string, message: Message): void {
    this.#json.push(json);
    this.#messages.push(message);
    this.#bytes += message.bytes + 1;
  }

  /** The broker has confirmed it, or it has failed. */
  settle(error?: Error): void {
    for (const { bytes, settlers } of this.#messages) {
      if (error) settlers?.reject(error);
      else settlers?.resolve();
      this.#backlog.remove(bytes);
    }
  }
}
