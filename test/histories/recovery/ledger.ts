import type { ChannelPosition } from "../../../src/index.js";

/** A push as its caller knows it. */
export interface Push {
  n: number;
  names: readonly string[];
  stype: string;
  except: ReadonlySet<string>;
  /** Where it is, as far as is known. */
  places: ChannelPosition[];
  /** It may be there twice: the cluster has lost that it was done. */
  mayRepeat: boolean;
}

/** What was pushed, and where that is in the histories: by the reports, and by what clients have got. */
export class Ledger {
  readonly #pushes: Push[] = [];
  /** Of each epoch of a channel, the pushes by their offsets. */
  readonly #places = new Map<string, Map<number, Push>>();
  readonly #found: string[] = [];
  readonly #repeated: { push: Push; what: string }[] = [];

  get pushCount(): number {
    return this.#pushes.length;
  }

  /** Places that have two messages, and messages at two places. */
  get violations(): readonly string[] {
    const repeated = this.#repeated.filter(({ push }) => !push.mayRepeat).map(({ what }) => what);
    return [...this.#found, ...repeated];
  }

  add(push: Omit<Push, "n" | "places" | "mayRepeat">): Push {
    const added = { ...push, n: this.#pushes.length, places: [], mayRepeat: false };
    this.#pushes.push(added);
    return added;
  }

  pushOf(n: number): Push {
    return this.#pushes[n]!;
  }

  /** Somebody says that a push is there. */
  learn(push: Push, position: ChannelPosition): void {
    const { name, epoch, offset } = position;
    const key = keyOf(name, epoch);
    const places = this.#places.get(key) ?? new Map<number, Push>();
    this.#places.set(key, places);
    const other = places.get(offset);
    if (other === push) return;
    places.set(offset, push);
    if (other) this.#found.push(`pushes ${other.n} and ${push.n} are both at ${textOf(position)}`);
    const again = push.places.find((place) => place.name === name);
    if (again) {
      this.#repeated.push({ push, what: `push ${push.n} is at ${textOf(again)} and at ${textOf(position)}` });
    }
    push.places.push(position);
  }

  at(name: string, epoch: string, offset: number): Push | undefined {
    return this.#places.get(keyOf(name, epoch))?.get(offset);
  }
}

function textOf({ name, epoch, offset }: ChannelPosition): string {
  return `${epoch}.${offset} of ${name}`;
}

function keyOf(name: string, epoch: string): string {
  return `${name} ${epoch}`;
}
