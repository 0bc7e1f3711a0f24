import test from "ava";
import { shiftClocks } from "./scenarios/clock.js";

const PLAN = { users: 100, leaseMs: 1000, graceMs: 500 };

for (const shiftMs of [60_000, -60_000]) {
  test(`a host whose clock is ${shiftMs / 1000} s off: leases, pushes and eviction are as without`, async (t) => {
    const { pushes, complete, goneMs, evictedMs, seenShiftMs, ...result } = await shiftClocks(t, { ...PLAN, shiftMs });

    t.true(Math.abs(seenShiftMs - shiftMs) < 1000);
    t.is(complete, pushes);
    t.is(result.leavesOfLiving, 0);
    t.not(goneMs, undefined);
    t.not(evictedMs, undefined);
    t.is(result.leaves, result.memberships);
  });
}

test("leases that ended by the clock of their host would last too long, or not at all", async (t) => {
  const [ahead, behind] = await Promise.all(
    [60_000, -60_000].map((shiftMs) => shiftClocks(t, { ...PLAN, shiftMs, without: ["redisClock"] })),
  );

  t.is(ahead!.goneMs, undefined);
  t.is(behind!.complete, 0);
});
