import { memory } from "./fanout/memory.js";
import { resolve } from "./fanout/resolve.js";
import { sockets } from "./fanout/sockets.js";
import type { Bench } from "./support/bench.js";

export const fanout: Bench = {
  name: "fanout",
  question: "What does a push to N members over S frontends cost, here and in the original?",
  quick: "less than a minute: only what the promises are about, and no clients",
  parts: { resolve, sockets, memory },
};
