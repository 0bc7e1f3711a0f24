// Proves that the tests of recovery find what they should: with something broken, a short run breaks the right promise.
import test from "ava";
import { HadElsewhere } from "../../src/connectors/had-elsewhere.js";
import { SessionHistory } from "../../src/connectors/session-history.js";
import { Sessions } from "../../src/connectors/websocket/sessions.js";
import { MissedPushes } from "../../src/frontend/missed-pushes.js";
import { MemoryChannelHistory } from "../../src/histories/memory.js";
import { RedisConnection } from "../../src/redis/index.js";
import { Run } from "./recovery/run.js";
import type { FaultKind } from "./recovery/settings.js";
import { memoryStore, redisStore, type Store } from "./recovery/stores.js";

/** What is broken, and what has to be found of it. */
interface Control {
  title: string;
  store: () => Promise<Store> | Store;
  faults: readonly FaultKind[];
  /** Breaks it. Returns what mends it. */
  sabotage: () => () => void;
  found: RegExp;
}

/** Replaces a method until it is put back. */
function replace<T extends object, K extends keyof T>(prototype: T, name: K, replacement: (original: T[K]) => T[K]) {
  const original = prototype[name];
  prototype[name] = replacement(original);
  return () => void (prototype[name] = original);
}

/** Does not write some frames to sessions that go on where they were. */
function dropFrames(part: string): () => void {
  return replace(
    Sessions.prototype,
    "writeTo",
    (writeTo) =>
      function (this: Sessions, session, frame) {
        if (!frame.includes(part)) writeTo.call(this, session, frame);
      },
  );
}

const CONTROLS: readonly Control[] = [
  {
    title: "sessions that write what comes, whatever is missing before that",
    store: memoryStore,
    faults: [],
    sabotage: () => replace(SessionHistory.prototype, "admit", () => () => "write"),
    found: /never got push|got push \d+ twice|went back/,
  },
  {
    title: "a connector that drops what was held, or read",
    store: memoryStore,
    faults: [],
    sabotage: () => dropFrames('"msg"'),
    found: /never got push/,
  },
  {
    title: "a connector that tells of no gap",
    store: memoryStore,
    faults: ["destroy-channel"],
    sabotage: () => dropFrames('"gap"'),
    found: /without a gap|never got push/,
  },
  {
    title: "clients that are not told what they have out of other channels",
    store: memoryStore,
    faults: [],
    sabotage: () => replace(HadElsewhere.prototype, "add", () => () => {}),
    found: /got push \d+ twice/,
  },
  {
    title: "a history that forgets which pushes were done",
    store: memoryStore,
    faults: [],
    sabotage: () =>
      replace(
        MemoryChannelHistory.prototype,
        "append",
        (append) =>
          function (this: MemoryChannelHistory, { entry, limits }) {
            return append.call(this, { entry, limits });
          },
      ),
    found: /push \d+ is at .* and at/,
  },
  {
    title: "a history that keeps its epoch when Redis has lost something",
    store: redisStore,
    faults: ["go-back"],
    sabotage: () =>
      replace(
        RedisConnection.prototype,
        "run",
        (run) =>
          function (this: RedisConnection, script, keys, args) {
            const lua = script.lua.replace("epoch and begunIn == run", "epoch");
            return run.call(this, { ...script, command: `${script.command}-without-epochs`, lua }, keys, args);
          } as typeof run,
      ),
    found: /are both at/,
  },
  {
    title: "sessions that do not look for what they may have missed",
    store: redisStore,
    faults: ["flush", "keep-all", "lose-all", "cut"],
    sabotage: () => replace(MissedPushes.prototype, "note", () => () => {}),
    found: /which ends at|waits for pushes/,
  },
];

const SETTINGS = {
  disconnects: 400,
  clients: 40,
  frontends: 2,
  faultEveryMs: [200, 600],
  pushEveryMs: [0, 15],
  settleMs: 3000,
} as const;

/** Whether that happens which makes the difference is for the time to decide. */
const ATTEMPTS = 5;

for (const { title, store, faults, sabotage, found } of CONTROLS) {
  test.serial(`with ${title}, clients do not get what they should`, async (t) => {
    const isIt = (violation: string): boolean => found.test(violation);
    let violations: string[] = [];
    for (let seed = 1; seed <= ATTEMPTS && !violations.some(isIt); seed++) {
      const mend = sabotage();
      try {
        ({ violations } = await new Run({ ...SETTINGS, seed, faults }, await store()).run());
      } finally {
        mend();
      }
    }

    t.true(violations.some(isIt), violations.map((text) => text.split("\n")[0]).join("\n"));
  });
}
