import test from "ava";
import { restartOneByOne } from "./scenarios/rolling-restart.js";

const PLAN = { frontends: 3, clients: 5, everyMs: 10, leaseMs: 1000 };

for (const destination of ["home", "restarted"] as const) {
  test(`a rolling restart, clients go to ${destination}: reports add up, and each user is seen to leave once at most`, async (t) => {
    const restart = await restartOneByOne(t, { ...PLAN, destination });

    t.like(restart, { wrong: [], users: 15, members: 15, reached: 15 });
    t.true(restart.mostFlaps <= 1, `${restart.mostFlaps}`);
    t.true(restart.pushes > 50);
  });
}

test("with leaveDelayMs a user who comes back elsewhere meanwhile is not seen to leave", async (t) => {
  const restart = await restartOneByOne(t, { ...PLAN, destination: "restarted", leaveDelayMs: 60_000 });

  t.like(restart, { wrong: [], flaps: 0, members: 15, reached: 15 });
});

test("clients who move to the frontend that is restarted next are seen to leave again and again", async (t) => {
  const { mostFlaps } = await restartOneByOne(t, { ...PLAN, clients: 2, destination: "next" });

  t.true(mostFlaps > 1);
});
