import { setTimeout as sleep } from "node:timers/promises";
import { pause } from "../../support/pause.js";
import { DEFAULTS, type Owner, type RunningFrontend, startCluster } from "../cluster.js";
import { Crowd } from "../crowd.js";
import { addsUp, type CallOutcome } from "../outcome.js";
import type { Protection } from "../without.js";

/** What is wrong with the slow frontend: its process stands still for 2.5 s, again and again; or its event loop is busy. */
export type Slowness = "stopped" | "busy";

export interface SlowFrontendPlan {
  slowness: readonly Slowness[];
  frontends: number;
  /** Users of each channel: of the one at the slow frontend, and of the one at all others. */
  users: number;
  rounds: number;
  /** How long pushes are looked at, with the slow frontend and without. */
  durationMs: number;
  /** How often the backend pushes to the slow frontend, and to the others. */
  slowEveryMs: number;
  othersEveryMs: number;
  without?: readonly Protection[];
  say?: (progress: string) => void;
}

export interface SlowFrontendRound {
  slowness: Slowness;
  /**
   * Pushes to the others, in milliseconds until the report: while it is one that gets no pushes that is slow, which takes as much
   * from the machine; and while it is the one that the backend pushes to.
   */
  calm: Percentiles;
  slow: Percentiles;
  /** Reports of any push that do not account for every member. */
  wrong: CallOutcome[];
  /** Pushes to the others that did not reach every member. */
  incomplete: number;
}

interface Percentiles {
  p50Ms: number;
  p99Ms: number;
}

const STOPPED_MS = 2500;
const GOES_ON_MS = 500;
/** It is late for everything, but for no lease. */
const [BUSY_MS, IDLE_MS] = [200, 5];

/** Pushes to a slow frontend and, from the same backend, to others. */
export async function pushBesideSlow(owner: Owner, plan: SlowFrontendPlan): Promise<SlowFrontendRound[]> {
  const { without = [], durationMs, users } = plan;
  const cluster = await startCluster(owner, {
    ...{ ...DEFAULTS, frontends: plan.frontends, backends: 1, hasNamedSessions: true, without },
  });
  const { frontends } = cluster;
  const backend = cluster.backends[0]!;
  const [slow, ...others] = frontends as [RunningFrontend, ...RunningFrontend[]];
  const there = new Crowd(owner, cluster, { name: "slow", size: users, sids: [slow.sid] });
  const elsewhere = new Crowd(owner, cluster, { name: "other", size: users, sids: others.map(({ sid }) => sid) });
  for (const crowd of [there, elsewhere]) await crowd.enter(frontends, backend);

  const spare = await cluster.startFrontend({ sid: "spare" });
  const measure = async (frontend: RunningFrontend, slowness: Slowness): Promise<CallOutcome[]> => {
    const end = beSlow(frontend, slowness);
    await backend.call("startLoad", elsewhere.large, plan.othersEveryMs);
    await sleep(durationMs);
    const outcomes = await backend.call("stopLoad", elsewhere.large);
    await end();
    return outcomes;
  };
  const rounds: SlowFrontendRound[] = [];
  for (let round = 1; round <= plan.rounds; round++) {
    for (const slowness of plan.slowness) {
      plan.say?.(`${slowness}, round ${round} of ${plan.rounds}`);
      await backend.call("startLoad", there.large, plan.slowEveryMs);
      // What is compiled, and what was late before, is not looked at.
      await sleep(durationMs / 4);
      const calm = await measure(spare, slowness);
      const besideSlow = await measure(slow, slowness);
      const toSlow = await backend.call("stopLoad", there.large);
      rounds.push({
        slowness,
        calm: percentiles(calm),
        slow: percentiles(besideSlow),
        wrong: [...calm, ...besideSlow, ...toSlow].filter((push) => !addsUp(push)),
        incomplete: [...calm, ...besideSlow].filter(({ report }) => report?.delivered !== users).length,
      });
    }
  }
  return rounds;
}

/** Resolves, when what is returned is called, once it is as fast as before. */
function beSlow({ process }: RunningFrontend, slowness: Slowness): () => Promise<void> {
  if (slowness === "busy") {
    void process.call("beBusy", BUSY_MS, IDLE_MS);
    return () => process.call("beIdle");
  }
  const over = new AbortController();
  const stopping = (async () => {
    while (!over.signal.aborted) {
      await pause(process.pid, STOPPED_MS);
      await sleep(GOES_ON_MS);
    }
  })();
  return () => {
    over.abort();
    return stopping;
  };
}

function percentiles(calls: readonly CallOutcome[]): Percentiles {
  const sorted = calls.map(({ ms }) => ms).toSorted((a, b) => a - b);
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!;
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}
