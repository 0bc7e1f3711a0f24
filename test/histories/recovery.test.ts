import test, { type ExecutionContext } from "ava";
import { Run } from "./recovery/run.js";
import { FAULTS, seedFromEnvironment, type Settings } from "./recovery/settings.js";
import { clusterStore, memoryStore, redisStore, type Store } from "./recovery/stores.js";

/** How many of what is wrong are shown. */
const SHOWN = 5;

/** `RECOVERY_DISCONNECTS=100000 RECOVERY_SEED=7 npx ava test/histories/recovery.test.ts --timeout 20m` runs for longer. */
const DISCONNECTS = Number(process.env["RECOVERY_DISCONNECTS"] ?? 10_000);

const SETTINGS: Omit<Settings, "seed"> = {
  disconnects: DISCONNECTS,
  clients: 120,
  frontends: 3,
  faults: FAULTS,
  faultEveryMs: [200, 2500],
  pushEveryMs: [0, 30],
  settleMs: 12_000,
};

/** Clients come and go until that many connections have broken; each gets all that it should, once, or is told of a gap. */
async function recovers(t: ExecutionContext, store: Store, more: Partial<Settings> = {}): Promise<void> {
  const settings = { ...SETTINGS, seed: seedFromEnvironment(), ...more };
  const outcome = `with RECOVERY_SEED=${settings.seed}`;

  const { violations, numbers, faults } = await new Run(settings, store).run();

  t.log(outcome, JSON.stringify(numbers), JSON.stringify(faults));
  t.deepEqual(violations.slice(0, SHOWN), [], `${violations.length} violations ${outcome}`);
  // Where nothing happens, nothing goes wrong.
  t.true(numbers.disconnects! >= settings.disconnects && numbers.resumes! > settings.disconnects / 3);
  t.true(numbers.received! > settings.disconnects && numbers.gaps! > 0 && numbers.repeats! > 0);
  t.deepEqual(Object.keys(faults).toSorted(), settings.faults.toSorted());
}

test.serial("on Redis, clients that come back get a contiguous sequence or a gap, whatever is lost", async (t) => {
  await recovers(t, await redisStore());
});

test.serial("in memory, clients that come back get a contiguous sequence or a gap", async (t) => {
  await recovers(t, memoryStore(), {
    disconnects: Math.ceil(DISCONNECTS / 10),
    faults: ["restart-frontend", "destroy-channel"],
  });
});

test.serial("on a Redis Cluster, clients that come back get a contiguous sequence or a gap", async (t) => {
  await recovers(t, await clusterStore(), {
    disconnects: Math.ceil(DISCONNECTS / 10),
    faults: ["flush", "restart-frontend", "destroy-channel"],
  });
});
