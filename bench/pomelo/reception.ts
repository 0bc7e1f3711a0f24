import { encodeIntoCompressedBase64, type Histogram } from "hdr-histogram-js";
import { now, type BurstMessage } from "../../test/cluster/frameworks/burst.js";
import { newHistogram } from "./sample.js";

export interface Expected {
  /** The members of the channel are the first so many clients, by their index. */
  members: number;
  pushes: number;
}

/** What these clients have got of a burst. */
export interface Received {
  /** When the last one of all has arrived, on the clock of {@link now}; 0 if there was nothing to expect. */
  lastAt: number;
  /** How long each took to each client: a histogram, encoded. */
  microseconds: string;
}

const NUMBER_START = '{"n":'.length;

/** Sees that each client gets each push of a burst once, and nothing else. */
export class Reception {
  readonly #indices: readonly number[];
  readonly #histogram: Histogram = newHistogram();
  /** What should not have come. */
  #problem: string | undefined;
  #beganAt = 0;
  #members = 0;
  #pushes = 0;
  #missing = 0;
  /** For each push of each client whether it is there. */
  #seen: Uint8Array = new Uint8Array(0);
  #calledAt: Float64Array = new Float64Array(0);
  #lastAt = 0;
  #complete: (() => void) | undefined;

  /** @param indices those of the clients here, in the order in which `take` counts them */
  constructor(indices: readonly number[]) {
    this.#indices = indices;
  }

  expect({ members, pushes }: Expected): void {
    this.check();
    this.#beganAt = now();
    this.#members = members;
    this.#pushes = pushes;
    this.#missing = pushes * this.#indices.filter((index) => index < members).length;
    this.#seen = new Uint8Array(this.#indices.length * pushes);
    this.#calledAt = new Float64Array(pushes);
    this.#lastAt = 0;
    this.#histogram.reset();
    this.#complete = undefined;
  }

  /** @param client its place among those here */
  take(client: number, body: Buffer): void {
    const at = now();
    const number = numberIn(body);
    if (!(number >= 1 && number <= this.#pushes)) return this.#fail(client, body, "was not expected");
    // All get the same: reading it once is enough.
    let calledAt = this.#calledAt[number - 1]!;
    if (calledAt === 0) {
      calledAt = (JSON.parse(body.toString()) as BurstMessage).at;
      if (calledAt < this.#beganAt) return this.#fail(client, body, "belongs to an earlier burst");
      this.#calledAt[number - 1] = calledAt;
    }
    if (this.#indices[client]! >= this.#members) return this.#fail(client, body, "is for others");
    const place = client * this.#pushes + number - 1;
    if (this.#seen[place] === 1) return this.#fail(client, body, "was there already");
    this.#seen[place] = 1;
    this.#histogram.recordValue(Math.max(1, Math.round((at - calledAt) * 1000)));
    this.#lastAt = at;
    if (--this.#missing === 0) this.#complete?.();
  }

  /** Resolves when all is there. */
  async received(timeoutMs: number): Promise<Received> {
    if (this.#missing > 0) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#complete = resolve;
        timer = setTimeout(resolve, timeoutMs);
      });
      clearTimeout(timer);
    }
    this.check();
    if (this.#missing > 0) throw new Error(`${this.#missing} messages are missing`);
    return { lastAt: this.#lastAt, microseconds: encodeIntoCompressedBase64(this.#histogram) };
  }

  /** @throws if something came that should not have */
  check(): void {
    if (this.#problem !== undefined) throw new Error(this.#problem);
  }

  #fail(client: number, body: Buffer, what: string): void {
    this.#problem ??= `client ${this.#indices[client]} got a message that ${what}: ${body.toString()}`;
    this.#complete?.();
  }
}

function numberIn(body: Buffer): number {
  let number = 0;
  for (let index = NUMBER_START; ; index++) {
    const digit = body[index]! - 48;
    if (!(digit >= 0 && digit <= 9)) return number;
    number = number * 10 + digit;
  }
}
