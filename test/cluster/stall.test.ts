import test, { type ExecutionContext } from "ava";
import { GlobalChannelService } from "../../src/index.js";
import { redis } from "../../src/redis/index.js";
import { Client, eventually, numbers, startCluster } from "./cluster.js";
import type { Protection } from "./without.js";

// A frontend process that is stopped for longer than its lease, and goes on: meanwhile it was taken for dead.

const LEASE_MS = 1000;

/** Stops one of two frontends with pushes on their way, and lets it go on when its user has moved to the other one. */
async function moveFromStalled(t: ExecutionContext, without: readonly Protection[] = []) {
  const { redis: server, frontends } = await startCluster(t, { backends: 0, frontends: 2, leaseMs: LEASE_MS, without });
  const [stalled, other] = frontends;
  const service = new GlobalChannelService({ cluster: redis(server.url) });
  t.teardown(() => service.stop(true));
  await service.start();
  const [before, witness] = [await Client.connect(t, "ann", stalled!), await Client.connect(t, "bob", stalled!)];
  await service.addMany([
    { name: "room", uid: "ann", sid: stalled!.sid },
    { name: "probe", uid: "bob", sid: stalled!.sid },
  ]);
  t.is((await service.pushMessage("connector", "before", 0, "room")).delivered, 1);

  process.kill(stalled!.process.pid, "SIGSTOP");
  // More than what is read from a socket at once.
  const old = numbers(1000).map((n) =>
    service.pushMessage("connector", "old", { n, text: "x".repeat(500) }, "room", { timeoutMs: 2000 }),
  );
  const reports = Promise.allSettled(old);
  await eventually(async () => (await service.count("room")) === 0, 2 * LEASE_MS);
  const after = await Client.connect(t, "ann", other!);
  await service.add("room", "ann", other!.sid);
  const moved = await service.pushMessage("connector", "new", 0, "room");
  process.kill(stalled!.process.pid, "SIGCONT");

  // It is live again, and hands over what comes from now on.
  await eventually(async () => (await service.pushMessage("connector", "probe", 0, "probe")).delivered === 1, 5000);
  await eventually(() => witness.of("probe").length > 0, 1000);
  await reports;
  return { service, before, after, moved };
}

test("a frontend that was stopped past its lease delivers nothing of before to a user who has moved", async (t) => {
  const { service, before, after, moved } = await moveFromStalled(t);

  t.deepEqual(before.of("old"), []);
  t.like(moved, { targeted: 1, delivered: 1 });
  t.deepEqual(after.of("new"), [0]);
  // Both connections are open, as nobody has closed the old one: both are members, once each.
  await eventually(async () => (await service.count("room")) === 2, 3000);
  t.deepEqual(await service.getMembersByChannelName("connector", "room"), ["ann"]);
  t.like(await service.pushMessage("connector", "new", 1, "room"), { targeted: 2, delivered: 2 });
});

test("without the fence it would", async (t) => {
  const { before } = await moveFromStalled(t, ["fence"]);

  await t.notThrowsAsync(eventually(() => before.of("old").length > 0, 2000));
});
