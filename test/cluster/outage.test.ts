import test from "ava";
import { takeRedisAway } from "./scenarios/outage.js";

const PLAN = { awayMs: 3000, frontends: 2, clients: 5, leaseMs: 1000, everyMs: 10 };

test("Redis away under load: no process ends or grows, calls fail at once, temporarily, and pushes go on when it is back", async (t) => {
  const outage = await takeRedisAway(t, PLAN);

  t.like(outage, { crashes: 0, notTemporary: [], wrong: [] });
  t.true(outage.refused > 200);
  t.true(outage.slowestMs < 1000);
  t.true(outage.growthBytes < 20e6);
  // It is 1 s on a machine that has nothing else to do.
  t.true(outage.firstGoodMs < 3000);
});

test("with calls that wait for Redis they would take as long as it is away", async (t) => {
  const { slowestMs } = await takeRedisAway(t, { ...PLAN, without: ["failingFast"] });

  t.true(slowestMs > 1000);
});
