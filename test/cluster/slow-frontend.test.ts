import test, { type ExecutionContext } from "ava";
import { pushBesideSlow, type Slowness } from "./scenarios/slow-frontend.js";
import type { Protection } from "./without.js";

/** What no push to the others should take on a machine that does other things besides. */
const SLOW_MS = 1000;

const beside = (t: ExecutionContext, slowness: readonly Slowness[], without: readonly Protection[] = []) =>
  pushBesideSlow(t, {
    ...{ slowness, frontends: 3, users: 20, rounds: 1, durationMs: 3000 },
    ...{ slowEveryMs: 5, othersEveryMs: 10, without },
  });

test("a frontend that stands still or is busy does not keep pushes from the others, and every report adds up", async (t) => {
  const rounds = await beside(t, ["stopped", "busy"]);

  for (const { slowness, slow, wrong, incomplete } of rounds) {
    t.deepEqual({ wrong, incomplete }, { wrong: [], incomplete: 0 }, slowness);
    t.true(slow.p99Ms < SLOW_MS, `${slowness}: ${slow.p99Ms}`);
  }
});

test("pushes that wait for those before them would wait for a frontend that stands still", async (t) => {
  const [round] = await beside(t, ["stopped"], ["independence"]);

  t.true(round!.slow.p99Ms > SLOW_MS);
});
