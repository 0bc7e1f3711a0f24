import test from "ava";
import { killAgainAndAgain, Tally } from "./scenarios/kills.js";

const PLAN = { seed: 6, frontends: 3, users: 20, channels: 5 };

test("each membership of frontends that are killed gives one leave event, whoever cleans up and whenever they come back", async (t) => {
  const { kills, missing, twice, strange } = await killAgainAndAgain(t, { ...PLAN, kills: 8 });

  t.deepEqual({ kills, missing, twice, strange }, { kills: 8, missing: 0, twice: 0, strange: 0 });
});

test("without the reaper those of frontends that do not come back would give none", async (t) => {
  const { missing } = await killAgainAndAgain(t, { ...PLAN, kills: 2, restarts: ["never"], without: ["reaper"] });

  t.true(missing > 0);
});

test("a leave that is told twice would be found", async (t) => {
  const event = { type: "leave", name: "room", uid: "ann", sid: "connector-1", reason: "server-down" } as const;
  const tally = new Tally({ call: async () => [event, event] });

  await tally.take();

  t.like(tally.judge(["room ann"]), { missing: 0, twice: 1 });
});
