import test from "ava";
import { takeRedisAway } from "./scenarios/outage.js";

const PLAN = { awayMs: 3000, frontends: 2, clients: 5, leaseMs: 1000, everyMs: 10 };

for (const outage of ["gone", "hangs"] as const) {
  test(`Redis ${outage} under load: no process ends or grows, calls fail within 1 s, temporarily, and pushes go on when it is back`, async (t) => {
    const result = await takeRedisAway(t, { ...PLAN, outage });

    t.like(result, { crashes: 0, notTemporary: [], wrong: [] });
    t.true(result.refused > 200);
    // That it hangs is noticed within 0.9 s, on a machine that does nothing else.
    t.true(result.slowestMs < (outage === "gone" ? 1000 : 1500), `${result.slowestMs}`);
    t.true(result.growthBytes < 20e6);
    // It is 1 s on a machine that has nothing else to do.
    t.true(result.firstGoodMs < 3000, `${result.firstGoodMs}`);
  });
}

test("with calls that wait for Redis they would take as long as it is away", async (t) => {
  const { slowestMs } = await takeRedisAway(t, { ...PLAN, outage: "gone", without: ["failingFast"] });

  t.true(slowestMs > 1000);
});

test("where nobody notices that Redis hangs they would take for seconds", async (t) => {
  const { slowestMs } = await takeRedisAway(t, { ...PLAN, outage: "hangs", without: ["silenceWatch"] });

  t.true(slowestMs > 2000, `${slowestMs}`);
});
