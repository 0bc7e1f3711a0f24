import { format, formatSpread, type Measured } from "./statistics.js";
import { markdownTable } from "./table.js";

/** What the library promises of a measured value. */
export interface Claim {
  claim: string;
  atLeast?: number;
  atMost?: number;
  /** Of a spread it is the median that counts. */
  measured: number | Measured;
}

export function isKept({ atLeast = -Infinity, atMost = Infinity, measured }: Claim): boolean {
  const value = typeof measured === "number" ? measured : measured.median;
  return value >= atLeast && value <= atMost;
}

export function claimsTable(claims: readonly Claim[]): string {
  return markdownTable(
    "Promises",
    ["promise", "bound", "measured", "kept"],
    claims.map((claim) => [
      claim.claim,
      claim.atLeast === undefined ? `at most ${claim.atMost}` : `at least ${claim.atLeast}`,
      typeof claim.measured === "number" ? format(claim.measured) : formatSpread(claim.measured),
      isKept(claim) ? "yes" : "NO",
    ]),
  );
}
