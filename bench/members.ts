import { changes } from "./members/changes.js";
import { memory } from "./members/memory.js";
import { slow } from "./members/slow.js";
import type { Bench } from "./support/bench.js";

export const members: Bench = {
  name: "members",
  question: "What do changes and reads of members cost, in time and in Redis memory?",
  quick: "less than a minute: fewer and shorter rounds, a fifth of the memberships",
  parts: { changes, memory, slow },
  packages: ["pomelo-globalchannel-plugin"],
};
