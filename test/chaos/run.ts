import { setTimeout as sleep } from "node:timers/promises";

import { monotonicMs } from "../support/monotonic.js";
import { ChaosCluster } from "./cluster.js";
import { readFinal } from "./final.js";
import type { Fault, History } from "./history.js";
import { LoopDelay } from "./loop-delay.js";
import { Nemesis } from "./nemesis.js";
import { planFaults, planOps, uidsOf } from "./plan.js";
import type { Settings } from "./settings.js";
import { Users } from "./users.js";
import { Workload } from "./workload.js";

/** A delay of this process of that length means that the whole machine was busy with something else. */
const BUSY_MS = 150;
/** How long calls may take when all is well. */
const IDLE_MS = 6000;
/** How long users may take to connect when all is well. */
const CONNECT_MS = 10_000;

/** Runs a cluster, does to it what was planned for the seed, and resolves what happened. */
export async function runChaos(settings: Settings): Promise<History> {
  const { leaseMs, graceMs, settleMs } = settings;
  const faults: Fault[] = [];
  const loop = new LoopDelay((from, to) => {
    if (to - from > BUSY_MS) faults.push({ kind: "busy", target: "machine", from, to });
  });
  try {
    const cluster = await ChaosCluster.start(settings);
    try {
      const uids = uidsOf(settings);
      const workload = new Workload(cluster);
      const nemesis = new Nemesis(cluster);
      const users = new Users({
        settings,
        cluster,
        arrived(uid, sid, names) {
          for (const name of names) workload.change("join", uids.indexOf(uid), name, uid, sid);
        },
      });
      const living = users.run();
      await Promise.race([living, expectConnected(users)]);
      await workload.idle(IDLE_MS);

      const startAt = monotonicMs();
      const work = Promise.all([
        workload.run(planOps(settings), startAt, users),
        nemesis.run(planFaults(settings), startAt),
        sleep(settings.seconds * 1000),
      ]);
      await Promise.race([living, work]);
      const healedAt = monotonicMs();
      await expectConnected(users);
      await workload.idle(IDLE_MS);
      await sleep(healedAt + leaseMs + graceMs + settleMs - monotonicMs());
      const endAt = monotonicMs();

      const { final, seen, edges, callbacks } = await readFinal(cluster, settings, workload.pushes.length);
      for (const push of workload.pushes) push.callbacks = callbacks.get(push.id);
      users.end();
      const connections = await cluster.clients.call("collect");
      return {
        startAt,
        endAt,
        leaseMs,
        graceMs,
        changes: workload.changes,
        destructions: workload.destructions,
        pushes: workload.pushes,
        connections,
        // As they are now: how they end from here on says nothing.
        lives: structuredClone(cluster.lives),
        faults: [...faults, ...nemesis.faults],
        seen,
        edges,
        readings: workload.readings,
        final,
      };
    } finally {
      await cluster.stop();
    }
  } finally {
    loop.stop();
  }
}

async function expectConnected(users: Users): Promise<void> {
  const giveUpAt = monotonicMs() + CONNECT_MS;
  while (!users.areConnected && monotonicMs() < giveUpAt) await sleep(20);
}
