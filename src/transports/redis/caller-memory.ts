import type { FrontendRequest } from "../../types.js";
import { deliveredToAll, NOBODY, type Outcome } from "./wire.js";

/** How many requests of a caller are kept in mind. */
const MAX_IDS = 4096;
/** How many of their outcomes that are not just a number of users. */
const MAX_OTHERS = 256;
/** How many requests of a caller are held back. */
const MAX_HELD = 10_000;

/** Stand for an outcome: there is none yet; it is not just a number of users. */
const PENDING = -1;
const OTHER = -2;

/**
 * What became of a request: its outcome; `pending`: it is being handled, or held back; `missed`: it never came, and can still be
 * handled; `overtaken`: it never came, but later ones have been handled; `forgotten`: nobody knows any more.
 */
export type RequestState = Outcome | "pending" | "missed" | "overtaken" | "forgotten";

/** What a frontend remembers of one caller's requests, so that each is handled once, in the order of the calls. */
export class CallerMemory {
  /** The ids, each at its place modulo {@link MAX_IDS}, where a later one replaces it. */
  readonly #ids = new Float64Array(MAX_IDS);
  /** Of each of those, how many users have got it. */
  readonly #delivered = new Float64Array(MAX_IDS);
  readonly #others = new Map<number, Outcome>();
  /** Of what was before it, nothing is known: another life of the frontend may have handled it. */
  readonly #first: number;
  #last = 0;
  /** Requests that wait until it is known what was missed before them. */
  #held: Map<number, FrontendRequest> | undefined;
  /** Since when they do. */
  heldSince = 0;
  /** A number that rises with each use of any caller. */
  usedAt = 0;

  /** @param firstId of the first request that came */
  constructor(firstId: number) {
    this.#first = Math.abs(firstId);
  }

  /** Whether this request is a new one; it is remembered. One of before the first counts as handled: another life may have done that. */
  isNew(id: number): boolean {
    const number = Math.abs(id);
    const place = number % MAX_IDS;
    if (number < this.#first || this.#ids[place]! >= number) return false;
    this.#ids[place] = number;
    this.#delivered[place] = PENDING;
    if (number > this.#last) this.#last = number;
    return true;
  }

  /** Notes what became of a request. */
  settle(id: number, outcome: Outcome): void {
    const place = id % MAX_IDS;
    if (this.#ids[place] !== id) return;
    const delivered = deliveredToAll(outcome);
    if (delivered !== undefined) {
      this.#delivered[place] = delivered;
      return;
    }
    this.#delivered[place] = OTHER;
    this.#others.set(id, outcome);
    if (this.#others.size <= MAX_OTHERS) return;
    // Maps keep the order of insertion.
    const { value: oldest } = this.#others.keys().next();
    this.#others.delete(oldest!);
  }

  stateOf(id: number): RequestState {
    const number = Math.abs(id);
    const place = number % MAX_IDS;
    const remembered = this.#ids[place]!;
    if (remembered > number || number < this.#first) return "forgotten";
    if (remembered === number) {
      const delivered = this.#delivered[place]!;
      if (delivered === PENDING) return "pending";
      if (delivered === OTHER) return this.#others.get(id) ?? "forgotten";
      return { answer: { delivered, failed: NOBODY } };
    }
    if (this.#held?.has(id)) return "pending";
    return number < this.#last ? "overtaken" : "missed";
  }

  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  /** Begins to hold requests back. */
  hold(): void {
    this.#held ??= new Map();
    this.heldSince = performance.now();
  }

  /** Keeps a request that came while others are held back; returns whether there was room. */
  keep(id: number, request: FrontendRequest): boolean {
    if (this.#held!.size >= MAX_HELD) return false;
    this.#held!.set(id, request);
    return true;
  }

  /** Ends it; returns what was held back, in the order of the calls. */
  release(): [id: number, request: FrontendRequest][] {
    const held = this.#held ?? new Map<number, FrontendRequest>();
    this.#held = undefined;
    return [...held].toSorted(([one], [other]) => Math.abs(one) - Math.abs(other));
  }
}
