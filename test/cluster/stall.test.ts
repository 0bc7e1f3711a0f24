import test, { type ExecutionContext } from "ava";
import { GlobalChannelService } from "../../src/index.js";
import { redis } from "../../src/redis/index.js";
import { TcpProxy } from "../support/tcp-proxy.js";
import { Client, eventually, numbers, type RunningFrontend, startCluster } from "./cluster.js";
import type { Protection } from "./without.js";

// A frontend that is stopped, or whose way to Redis is broken, for longer than its lease, and is back: meanwhile it was taken for
// dead, and its user has moved.

const LEASE_MS = 2000;

/** What may be wrong with a frontend and its way to Redis, and how that ends. */
const INTERRUPTIONS = {
  "that was stopped": {
    begin: ({ process: { pid } }) => process.kill(pid, "SIGSTOP"),
    end: ({ process: { pid } }) => process.kill(pid, "SIGCONT"),
  },
  "that could not reach Redis": {
    begin(_frontend, way) {
      way.refuse();
      way.cut();
    },
    end: (_frontend, way) => way.heal(),
  },
  "with a way to Redis on which nothing came through": {
    begin: (_frontend, way) => way.hold(),
    end: (_frontend, way) => way.heal(),
  },
  "to which nothing came from Redis": {
    begin: (_frontend, way) => way.hold(["answers"]),
    end: (_frontend, way) => way.heal(),
  },
  "with a slow way to Redis": {
    begin: (_frontend, way) => way.delay(2 * LEASE_MS),
    end: (_frontend, way) => way.heal(),
  },
} satisfies Record<string, Record<"begin" | "end", (frontend: RunningFrontend, way: TcpProxy) => void>>;

type Interruption = keyof typeof INTERRUPTIONS;

/** Interrupts one of two frontends with pushes on their way, until its user has moved to the other one. */
async function moveFrom(t: ExecutionContext, interruption: Interruption, without: readonly Protection[] = []) {
  const { begin, end } = INTERRUPTIONS[interruption];
  const cluster = await startCluster(t, { backends: 0, frontends: 1, leaseMs: LEASE_MS, without });
  const way = await TcpProxy.start(cluster.redis.port);
  t.teardown(() => way.stop());
  const stalled = await cluster.startFrontend({ sid: "stalled", redisPort: way.port });
  const [other] = cluster.frontends;
  const service = new GlobalChannelService({ cluster: redis(cluster.redis.url) });
  t.teardown(() => service.stop(true));
  await service.start();
  const [before, witness] = [await Client.connect(t, "ann", stalled), await Client.connect(t, "bob", stalled)];
  await service.addMany([
    { name: "room", uid: "ann", sid: stalled.sid },
    { name: "probe", uid: "bob", sid: stalled.sid },
  ]);
  t.is((await service.pushMessage("connector", "before", 0, "room")).delivered, 1);

  begin(stalled, way);
  // More than what is read from a socket at once.
  const old = numbers(1000).map((n) =>
    service.pushMessage("connector", "old", { n, text: "x".repeat(500) }, "room", { timeoutMs: 2 * LEASE_MS }),
  );
  const reports = Promise.allSettled(old);
  await eventually(async () => (await service.count("room")) === 0, 5 * LEASE_MS);
  const after = await Client.connect(t, "ann", other!);
  await service.add("room", "ann", other!.sid);
  const moved = await service.pushMessage("connector", "new", 0, "room");
  end(stalled, way);

  // It is live again, and hands over what comes from now on.
  await eventually(async () => (await service.pushMessage("connector", "probe", 0, "probe")).delivered === 1, 10_000);
  await eventually(() => witness.of("probe").length > 0, 5000);
  await reports;
  return { service, before, after, moved };
}

for (const interruption of Object.keys(INTERRUPTIONS) as Interruption[]) {
  // Serial, as all here: a lease that is lost to another test would be another story.
  test.serial(
    `a frontend ${interruption} past its lease delivers nothing of before to a user who has moved`,
    async (t) => {
      const { service, before, after, moved } = await moveFrom(t, interruption);

      t.deepEqual(before.of("old"), []);
      t.like(moved, { targeted: 1, delivered: 1 });
      t.deepEqual(after.of("new"), [0]);
      // Both connections are open, as nobody has closed the old one: both are members, once each.
      await eventually(async () => (await service.count("room")) === 2, 3 * LEASE_MS);
      t.deepEqual(await service.getMembersByChannelName("connector", "room"), ["ann"]);
      t.like(await service.pushMessage("connector", "new", 1, "room"), { targeted: 2, delivered: 2 });
    },
  );
}

for (const interruption of ["that was stopped", "with a way to Redis on which nothing came through"] as const) {
  test.serial(`without the fence one ${interruption} would`, async (t) => {
    const { before } = await moveFrom(t, interruption, ["fence"]);

    await t.notThrowsAsync(eventually(() => before.of("old").length > 0, 5000));
  });
}
