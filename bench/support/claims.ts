import { format } from "./statistics.js";
import { markdownTable } from "./table.js";

/** What the library promises of a measured value. */
export interface Claim {
  claim: string;
  atLeast?: number;
  atMost?: number;
  measured: number;
}

export function isKept({ atLeast = -Infinity, atMost = Infinity, measured }: Claim): boolean {
  return measured >= atLeast && measured <= atMost;
}

export function claimsTable(claims: readonly Claim[]): string {
  return markdownTable(
    "Promises",
    ["promise", "bound", "measured", "kept"],
    claims.map((claim) => [
      claim.claim,
      claim.atLeast === undefined ? `at most ${claim.atMost}` : `at least ${claim.atLeast}`,
      format(claim.measured),
      isKept(claim) ? "yes" : "NO",
    ]),
  );
}
