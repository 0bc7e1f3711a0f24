import * as fc from "fast-check";

/** Choices that the same seed makes in the same way. */
export class Random {
  readonly #numbers: Iterator<number>;

  /** @param purpose what the choices are for: those of one purpose do not depend on how many others are made */
  constructor(seed: number, purpose: string) {
    const numbers = fc.infiniteStream(fc.noBias(fc.nat()), { noHistory: true });
    const stream = fc.sample(numbers, { seed: seed ^ hash(purpose), numRuns: 1 })[0]!;
    this.#numbers = stream[Symbol.iterator]();
  }

  /** A whole number from `min` to `max`. */
  integer(min: number, max: number): number {
    return min + ((this.#numbers.next().value as number) % (max - min + 1));
  }

  chance(probability: number): boolean {
    return this.integer(0, 999_999) < probability * 1_000_000;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.integer(0, items.length - 1)]!;
  }

  /** `count` different ones, or all there are. */
  some<T>(items: readonly T[], count: number): T[] {
    const left = [...items];
    return Array.from(
      { length: Math.min(count, items.length) },
      () => left.splice(this.integer(0, left.length - 1), 1)[0]!,
    );
  }
}

function hash(text: string): number {
  let sum = 0;
  for (const character of text) sum = (sum * 31 + character.codePointAt(0)!) | 0;
  return sum;
}
