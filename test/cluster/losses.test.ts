import test from "ava";
import { loseEverything } from "./scenarios/losses.js";

const PLAN = { users: 1000, frontends: 2, leaseMs: 1000 };

test("FLUSHALL, and a Redis that is killed and comes back empty: every member and session is back, each once", async (t) => {
  const losses = await loseEverything(t, {
    ...PLAN,
    losses: ["FLUSHALL", "SIGKILL, restarted empty"],
    withinMs: 10_000,
  });

  for (const { loss, backMs, pushedMs, joins } of losses) {
    t.true(backMs !== undefined && pushedMs !== undefined, `${loss}: ${backMs}, ${pushedMs}`);
    // Those that came back before the listener did are not told to it.
    if (loss === "FLUSHALL") t.is(joins, 2 * PLAN.users);
  }
});

test("without what brings the store in line with the frontends nothing would come back", async (t) => {
  const [loss] = await loseEverything(t, { ...PLAN, losses: ["FLUSHALL"], withinMs: 3000, without: ["reconcile"] });

  t.like(loss, { backMs: undefined, pushedMs: undefined, joins: 0 });
});
