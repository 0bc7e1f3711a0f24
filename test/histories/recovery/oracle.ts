import type { ChannelPosition } from "../../../src/index.js";
import type { Ledger, Push } from "./ledger.js";
import { STYPE } from "./settings.js";

/** Where a client is in a channel, as it is told: with the ids of messages that it has out of other channels. */
export type Place = [epoch: string, offset: number, had?: string];

/** What a client gets, as the connectors write it. */
export interface Frame {
  route?: string;
  msg?: { n: number };
  positions?: Record<string, Place>;
  gap?: string[];
}

/** Offsets that a client has not got. */
interface Skipped {
  name: string;
  epoch: string;
  from: number;
  to: number;
  /** How much the client had got by then. */
  had: number;
  trace: readonly string[];
}

/** A message without positions: one from before where the client was told that it begins. */
interface Late {
  push: Push;
  /** Where the client was. */
  positions: ReadonlyMap<string, Place>;
  trace: readonly string[];
}

/** How much of what a client got is shown where something is wrong. */
const TRACE = 40;

/**
 * What one client has got, over all its connections, and what is wrong with that: something twice, something missing without a gap that
 * was told, another epoch without one, or a position that goes back.
 */
export class Witness {
  readonly positions = new Map<string, Place>();
  readonly #violations: string[] = [];
  gaps = 0;
  readonly #uid: string;
  readonly #ledger: Ledger;
  /** Each push that it has got, and as which one: the first time, as one that may be there twice answers for both of its places. */
  readonly #got = new Map<Push, number>();
  readonly #skipped: Skipped[] = [];
  readonly #late: Late[] = [];
  readonly #twice: Pick<Late, "push" | "trace">[] = [];
  #trace: string[] = [];

  constructor(uid: string, ledger: Ledger) {
    this.#uid = uid;
    this.#ledger = ledger;
  }

  get received(): number {
    return this.#got.size;
  }

  get violations(): string[] {
    return [...this.#violations, ...this.#findTwice(), ...this.#findMissing(), ...this.#findAstray()];
  }

  /** For people: what happens to it besides. */
  note(text: string): void {
    this.#trace = [...this.#trace.slice(1 - TRACE), text];
  }

  take(frame: Frame): void {
    this.note(JSON.stringify(frame));
    const places = Object.entries(frame.positions ?? {});
    if (frame.msg) this.#takePush(this.#ledger.pushOf(frame.msg.n), places);
    for (const [name, place] of places) this.#move(name, place, frame.gap?.includes(name) ?? false);
    this.gaps += frame.gap?.length ?? 0;
  }

  #takePush(push: Push, places: readonly [name: string, place: Place][]): void {
    const { n, except, stype } = push;
    if (places.length === 0) this.#late.push({ push, positions: new Map(this.positions), trace: this.#trace });
    if (except.has(this.#uid) || stype !== STYPE) this.#complain(`got push ${n}, which was not for it`);
    if (this.#got.has(push)) this.#twice.push({ push, trace: this.#trace });
    else this.#got.set(push, this.#got.size);
    for (const [name, [epoch, offset, had]] of places) {
      // Where the client is in others of its channels is told with its id, which is the last there.
      const id = had?.split(".").at(-1);
      const isElsewhere = id !== undefined && !this.positions.get(name)?.[2]?.split(".").includes(id);
      if (!isElsewhere) this.#ledger.learn(push, { name, epoch, offset });
    }
  }

  /** Merges what a client is told. */
  #move(name: string, place: Place, hasGap: boolean): void {
    const before = this.positions.get(name);
    this.positions.set(name, place);
    if (!before) return;
    const [[lastEpoch, last], [epoch, offset]] = [before, place];
    if (epoch !== lastEpoch) {
      if (!hasGap) this.#complain(`went from ${lastEpoch}.${last} of ${name} to ${epoch}.${offset} without a gap`);
      return;
    }
    if (offset < last) this.#complain(`went back from ${epoch}.${last} of ${name} to ${offset}`);
    if (!hasGap && offset > last) {
      this.#skipped.push({ name, epoch, from: last + 1, to: offset, had: this.#got.size, trace: this.#trace });
    }
  }

  /** Where messages that were for it are missing, as far as is known where they are. */
  #findMissing(): string[] {
    return this.#skipped.flatMap(({ name, epoch, from, to, had, trace }) =>
      offsets(from, to).flatMap((offset) => {
        const push = this.#ledger.at(name, epoch, offset);
        if (!push || !this.#isFor(push) || (this.#got.get(push) ?? Infinity) < had) return [];
        return [`${this.#uid} never got push ${push.n} at ${epoch}.${offset} of ${name}:\n${trace.join("\n")}`];
      }),
    );
  }

  /** Messages that it got more than once. */
  #findTwice(): string[] {
    return this.#twice
      .filter(({ push }) => !push.mayRepeat)
      .map(({ push, trace }) => `${this.#uid} got push ${push.n} twice:\n${trace.join("\n")}`);
  }

  /** Messages without a position that is behind where the client was, as far as is known where they are. */
  #findAstray(): string[] {
    return this.#late
      .filter(({ push: { places }, positions }) => {
        const isBefore = ({ name, epoch, offset }: ChannelPosition): boolean => {
          const [own, last = 0] = positions.get(name) ?? [];
          return own === epoch && offset <= last;
        };
        return places.length > 0 && !places.some(isBefore);
      })
      .map(({ push, trace }) => `${this.#uid} got push ${push.n} without a position:\n${trace.join("\n")}`);
  }

  /** How many of the skipped offsets nobody can say anything of. */
  get unknown(): number {
    return this.#skipped
      .flatMap(({ name, epoch, from, to }) => offsets(from, to).map((offset) => this.#ledger.at(name, epoch, offset)))
      .filter((push) => !push).length;
  }

  /** What is missing to be where a history ends; undefined: nothing. */
  lagBehind({ name, epoch, offset }: ChannelPosition): string | undefined {
    const [own, last] = this.positions.get(name) ?? [];
    if (own !== epoch) return `${this.#uid} is at ${own}.${last} of ${name}, which ends at ${epoch}.${offset}`;
    const missed = offsets(last! + 1, offset).flatMap((one) => {
      const push = this.#ledger.at(name, epoch, one);
      return push && this.#isFor(push) && !this.#got.has(push) ? [push.n] : [];
    });
    if (missed.length === 0) return undefined;
    return `${this.#uid} is at ${own}.${last} of ${name} and waits for pushes ${missed.join(", ")}`;
  }

  showTrace(): string {
    return this.#trace.join("\n");
  }

  #isFor({ except, stype }: Push): boolean {
    return stype === STYPE && !except.has(this.#uid);
  }

  #complain(what: string): void {
    this.#violations.push(`${this.#uid} ${what}:\n${this.#trace.join("\n")}`);
  }
}

function offsets(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
}
