/** A value that was measured several times. */
export interface Measured {
  median: number;
  min: number;
  max: number;
}

export function measured(values: readonly number[]): Measured {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { median: round(median), min: round(sorted[0]!), max: round(sorted.at(-1)!) };
}

/** Four significant digits: more than the machine gives twice. */
export function round(value: number): number {
  return Number(value.toPrecision(4));
}

/** A number for people: `12,345`, `12.3`, `0.123`. */
export function format(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : Math.abs(value) >= 1 ? 2 : 3;
  return value.toLocaleString("en-US", { maximumFractionDigits: digits });
}

/** `12,345 (11,000-13,000)` */
export function formatSpread({ median, min, max }: Measured): string {
  return min === max ? format(median) : `${format(median)} (${format(min)}-${format(max)})`;
}
