import test from "ava";
import { stall } from "./scenarios/stall.js";

const LEASE_MS = 1000;
const GRACE_MS = 500;
const PLAN = { users: 500, leaseMs: LEASE_MS, graceMs: GRACE_MS, withinMs: 10_000 };

for (const [than, stallMs] of [
  ["its lease", LEASE_MS + GRACE_MS / 2],
  ["its lease and the grace", LEASE_MS + GRACE_MS + 2500],
] as const) {
  test(`a frontend that was stopped for longer than ${than} has lost no member, and none is there twice`, async (t) => {
    const result = await stall(t, { ...PLAN, stallMs });

    t.like(result, { memberships: 1000, members: 1000, listed: 500, doubled: 0, unbalanced: 0 });
  });
}

test("without what brings the store in line with it those who were taken out would stay so", async (t) => {
  const result = await stall(t, {
    ...PLAN,
    stallMs: LEASE_MS + GRACE_MS + 2500,
    withinMs: 1000,
    without: ["reconcile"],
  });

  t.like(result, { members: 0, unbalanced: 3000 });
});
