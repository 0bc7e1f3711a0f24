import { clock } from "./failures/clock.js";
import { failover } from "./failures/failover.js";
import { idle } from "./failures/idle.js";
import { kill } from "./failures/kill.js";
import { leaves } from "./failures/leaves.js";
import { loss } from "./failures/loss.js";
import { outage } from "./failures/outage.js";
import { rolling } from "./failures/rolling.js";
import { slow } from "./failures/slow.js";
import { stall } from "./failures/stall.js";
import type { Bench } from "./support/bench.js";

export const failures: Bench = {
  name: "failures",
  question: "What do members, pushes and listeners see of it when something fails?",
  quick: "some minutes: fewer kills and rounds, as many members",
  parts: { kill, leaves, idle, loss, outage, failover, rolling, slow, clock, stall },
};
