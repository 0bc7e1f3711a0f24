import test from "ava";
import * as fc from "fast-check";
import { Interleaving, interleavings } from "./recovery/interleaving.js";

const RUNS = Number(process.env["RECOVERY_RUNS"] ?? 1000);

test("whatever comes late, twice or not at all, and whenever reads are answered, a client gets a contiguous sequence or a gap", async (t) => {
  const property = fc.asyncProperty(interleavings, async ([steps, scheduler]) => {
    const violations = await new Interleaving(scheduler).run(steps);
    if (violations.length > 0) throw new Error(violations.join("\n\n"));
  });

  await t.notThrowsAsync(fc.assert(property, { numRuns: RUNS, includeErrorInReport: true }));
});
