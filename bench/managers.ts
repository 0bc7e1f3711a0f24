import { bulk } from "./managers/bulk.js";
import { changes } from "./managers/changes.js";
import { push } from "./managers/push.js";
import { reads } from "./managers/reads.js";
import type { Bench } from "./support/bench.js";

export const managers: Bench = {
  name: "managers",
  question: "What do changes, reads and pushes cost with each channel manager, and what could its store do at most?",
  quick: "less than a minute: fewer and shorter rounds, fewer cases",
  parts: { changes, bulk, reads, push },
  packages: ["mysql2"],
  usesMysql: true,
};
