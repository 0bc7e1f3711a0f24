import { setTimeout as sleep } from "node:timers/promises";
import type { ExecutionContext } from "ava";
import type { GlobalChannelError, GlobalChannelService, MemberSetInfo, PushReport } from "../../src/index.js";
import { eventually } from "../cluster/cluster.js";
import { onEveryStage, replacing, type Stage } from "../support/stage.js";

// A push ends at its deadline, whatever does not answer: a frontend, the manager or Redis.

const test = onEveryStage();

/** How late after its deadline a push may end. */
const LATE_MS = 100;

/** How a call ends, and after how long; `"hangs"` if it has not ended by then. */
async function outcome(call: Promise<unknown>, withinMs: number): Promise<{ how: unknown; tookMs: number }> {
  const startedAt = performance.now();
  const ended = call.then(
    () => "resolved",
    (error: GlobalChannelError) => error.code,
  );
  const how = await Promise.race([ended, sleep(withinMs, "hangs")]);
  return { how, tookMs: performance.now() - startedAt };
}

/** A service that reads the members of the channel `slow` as `read` does, and all others as ever. */
async function serviceReadingSlowly(
  stage: Stage,
  read: (sets: () => Promise<MemberSetInfo[]>) => Promise<MemberSetInfo[]>,
  options: { timeoutMs?: number } = {},
): Promise<GlobalChannelService> {
  const { manager, registry, transport } = stage.cluster();
  const slow = replacing(manager, {
    getMemberSets: async (name) => {
      const sets = async () => manager.getMemberSets!(name);
      return name === "slow" ? read(sets) : sets();
    },
  });
  return stage.service({ cluster: { manager: slow, registry, transport }, ...options });
}

/** The same; it reads them when the test has ended. */
async function serviceNeverReading(t: ExecutionContext, stage: Stage, options: { timeoutMs?: number } = {}) {
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => (end = resolve));
  const service = await serviceReadingSlowly(
    stage,
    async (sets) => {
      await ended;
      return sets();
    },
    options,
  );
  t.teardown(end);
  return service;
}

test.alone("a push whose members are never read is refused at its deadline", async (t, stage) => {
  const service = await serviceNeverReading(t, stage);

  const { how, tookMs } = await outcome(service.pushMessage("connector", "chat", 1, "slow", { timeoutMs: 200 }), 1000);

  t.is(how, "GC_TIMEOUT");
  t.true(tookMs < 200 + LATE_MS, `${tookMs} ms`);
});

test.alone("a push whose members are never read holds up neither other pushes nor stop", async (t, stage) => {
  const service = await serviceNeverReading(t, stage, { timeoutMs: 300 });
  const { clients } = await stage.frontend("s1");
  clients.connect("ann");
  await service.add("room", "ann", "s1");

  service.pushMessage("connector", "chat", 1, "slow").catch(() => {});
  const other = await outcome(service.pushMessage("connector", "chat", 2, "room"), 1000);
  const stop = await outcome(service.stop(), 1000);

  t.deepEqual([other.how, stop.how], ["resolved", "resolved"]);
  t.deepEqual(
    clients.received("ann").map(({ msg }) => msg),
    [2],
  );
});

test.alone("the time that reading members takes is part of the time that a push may take", async (t, stage) => {
  const { clients } = await stage.frontend("s1");
  const service = await serviceReadingSlowly(stage, async (sets) => {
    await sleep(250);
    return sets();
  });
  clients.connect("ann");
  await service.add("slow", "ann", "s1");
  clients.hang();

  const { how, tookMs } = await outcome(service.pushMessage("connector", "chat", 1, "slow", { timeoutMs: 500 }), 2000);

  t.is(how, "GC_PUSH_FAILED");
  t.true(tookMs < 500 + LATE_MS, `${tookMs} ms`);
});

test.alone("who is nowhere is named also where a push to users fails at every frontend", async (t, stage) => {
  const { clients } = await stage.frontend("s1");
  const service = await stage.service();
  clients.connect("ann");
  await eventually(async () => (await service.getSids("ann")).length === 1, 3000);
  clients.hang();

  const calls: unknown[][] = [];
  const push = service.pushToUsers("connector", "chat", 1, ["ann", "absent"], { timeoutMs: 200 }, (...args) =>
    calls.push(args),
  );
  const error = (await t.throwsAsync(push)) as GlobalChannelError;
  await eventually(() => calls.length > 0, 1000);

  t.is(error.code, "GC_PUSH_FAILED");
  const report = error.report as PushReport;
  t.like(report, { targeted: 2, delivered: 0, failed: 1, unknown: 1 });
  t.deepEqual(report.failIds.toSorted(), ["absent", "ann"]);
  t.deepEqual(calls, [[error, report.failIds]]);
});
