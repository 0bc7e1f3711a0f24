import { connectors } from "./pomelo/connectors.js";
import { members } from "./pomelo/members.js";
import { push } from "./pomelo/push.js";
import type { Bench } from "./support/bench.js";

export const pomelo: Bench = {
  name: "pomelo",
  question: "What does the plugin do in a real Pomelo application with real clients, and the original there?",
  quick: "about a minute: only what the promises are about",
  parts: { push, connectors, members },
  packages: ["pomelo", "pomelo-globalchannel-plugin"],
};
