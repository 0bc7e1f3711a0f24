import { createHash } from "node:crypto";

/** Up to how many different names the count is exact. */
const EXACT_UP_TO = 100_000;
/** How many bits there are beyond that (16 MiB): two in a hundred names share one even at 5,000,000 names. */
const BITS = 2 ** 27;

/**
 * Counts different names in memory that does not grow with them: exact up to {@link EXACT_UP_TO}, then an estimate (linear
 * counting) that is off by about 0.01 % however many there are.
 */
export class DistinctCount {
  /** Of each name 48 bits of its hash: that two in the exact range share them is a matter of 1 in 50,000. */
  #hashes: Set<number> | undefined = new Set();
  #bits: Uint32Array | undefined;
  #ones = 0;

  add(name: string): void {
    const hash = createHash("sha1").update(name).digest().readUIntBE(0, 6);
    if (!this.#hashes) return this.#mark(hash);
    this.#hashes.add(hash);
    if (this.#hashes.size <= EXACT_UP_TO) return;
    for (const each of this.#hashes) this.#mark(each);
    this.#hashes = undefined;
  }

  get value(): number {
    // What the names that met others in their bit add to the bits that are set.
    return this.#hashes?.size ?? Math.round(-BITS * Math.log1p(-this.#ones / BITS));
  }

  #mark(hash: number): void {
    this.#bits ??= new Uint32Array(BITS / 32);
    const bit = hash % BITS;
    const mask = 1 << (bit % 32);
    const word = this.#bits[bit >>> 5]!;
    if ((word & mask) !== 0) return;
    this.#bits[bit >>> 5] = word | mask;
    this.#ones++;
  }
}
