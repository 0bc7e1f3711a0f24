// Applications in the middle of something: only some servers use the plugin, a restarted master does not know all servers yet.
import test from "ava";
import type { PushReport } from "../../../src/index.js";
import { startRedis } from "../../support/redis-server.js";
import { eventually } from "../cluster.js";
import { checkBuilt } from "./built.js";
import { connectOverAll, memberships } from "./clients.js";
import { FrameworkClient } from "./framework-client.js";
import { startFrameworkCluster } from "./framework-cluster.js";
import { Shared } from "./shared.js";

test.before(checkBuilt);

for (const framework of ["pomelo", "pinus"] as const) {
  const stage = new Shared(async (t) => {
    const redis = await startRedis();
    t.teardown(() => redis.stop());
    const options = { redis: redis.url, serverTypes: ["chat"], cleanOnStartUp: true, graceMs: 200, timeoutMs: 2000 };
    const plugin = `globalchannel/${framework}`;
    const cluster = await startFrameworkCluster(t, { framework, plugin, options, backends: 2 });
    const clients = await connectOverAll(t, cluster.connectors, 9);
    const [backend] = cluster.backends;
    await backend!.ask("addMany", memberships("room", clients));
    return { redis, cluster, clients, backend: backend! };
  });
  test.after.always(() => stage.end());

  test.serial(`${framework} › connectors without the plugin get pushes, and their members stay`, async (t) => {
    const { cluster, clients, backend } = await stage.get();

    const report = await backend.ask<PushReport>("pushMessage", "connector", "chat", { n: 1 }, "room");
    // It cleans up when it starts, long after the grace of those who hold no lease.
    await cluster.restart("chat-2");
    const later = await cluster.server("chat-2").ask<PushReport>("pushMessage", "connector", "chat", { n: 2 }, "room");

    for (const each of [report, later]) t.like(each, { targeted: 9, delivered: 9, failIds: [] });
    await eventually(() => clients.every((client) => client.of("chat").length === 2), 5000);
    for (const client of clients) t.deepEqual(client.of("chat"), [{ n: 1 }, { n: 2 }]);
  });

  test.serial(`${framework} › a user of such a connector who has gone is taken out by the next push`, async (t) => {
    const { cluster, backend } = await stage.get();
    const [connector] = cluster.connectors;
    const client = await FrameworkClient.connect(t, "guest", connector!);
    await backend.ask("add", "lobby", "guest", connector!.sid);
    await client.close();

    // The connector notices the end of the connection a moment later.
    await eventually(async () => {
      const report = await backend.ask<PushReport>("pushMessage", "connector", "chat", {}, "lobby");
      return report.failIds[0] === "guest";
    }, 5000);

    await eventually(async () => (await backend.ask("count", "lobby")) === 0, 5000);
    t.pass();
  });

  test.serial(
    `${framework} › a broadcast that such connectors cannot take is an error, not a success for nobody`,
    async (t) => {
      const { backend } = await stage.get();

      const outcome = await backend.askWithCallback("broadcast", "connector", "chat", {}, {});

      t.like(outcome, { error: { code: "GC_PUSH_FAILED" }, callbacks: 1 });
    },
  );

  test.serial(`${framework} › a uid that every object has a property of fails alone`, async (t) => {
    const { cluster, clients, backend } = await stage.get();
    const odd = ["constructor", "toString", "__proto__"];
    await backend.ask(
      "addMany",
      odd.map((uid) => ({ name: "room", uid, sid: cluster.connectors[0]!.sid })),
    );

    const report = await backend.ask<PushReport>("pushMessage", "connector", "odd", {}, "room");

    t.like(report, { targeted: 12, delivered: 9, failed: 3 });
    t.deepEqual(report.failIds.toSorted(), odd.toSorted());
    await eventually(() => clients.every((client) => client.of("odd").length === 1), 5000);
  });

  test.serial(
    `${framework} › who comes back to a restarted master before others knows them all the same`,
    async (t) => {
      const { cluster, backend } = await stage.get();
      await eventually(async () => (await backend.ask("count", "room")) === 9, 5000);
      const [first, second] = cluster.connectors;

      // Longer than the grace of those who hold no lease, and two looks of the reaper.
      const back = backend.process.call("comeBackBefore", [first!.sid, second!.sid], 2500);
      const without = await backend.ask<PushReport>("pushMessage", "connector", "without", {}, "room");
      await back;
      const afterwards = await backend.ask<PushReport>("pushMessage", "connector", "afterwards", {}, "room");

      t.like(without, { targeted: 9, delivered: 3, failed: 6, unlisted: 0 });
      t.like(afterwards, { targeted: 9, delivered: 9 });
    },
  );

  test.serial(`${framework} › a restart of the master takes no members, and hides none from pushes`, async (t) => {
    const { cluster, clients, backend } = await stage.get();
    await eventually(async () => (await backend.ask("count", "room")) === 9, 5000);
    const over = new AbortController();
    const reports: PushReport[] = [];
    const pushOn = async (): Promise<void> => {
      while (!over.signal.aborted) {
        // Where every frontend is out of reach, the error has the report.
        const [outcome] = await Promise.all([
          backend.ask<PushReport>("pushMessage", "connector", "during", {}, "room").catch(() => undefined),
          new Promise((resolve) => setTimeout(resolve, 10)),
        ]);
        if (outcome) reports.push(outcome);
      }
    };
    const pushing = pushOn();

    await cluster.restart("master");
    over.abort();
    await pushing;

    t.true(reports.length > 0);
    t.deepEqual([...new Set(reports.map(({ targeted }) => targeted))], [9]);
    for (const { targeted, delivered, failed, unknown } of reports) t.is(delivered + failed + unknown, targeted);
    t.is(await backend.ask("count", "room"), 9);
    const after = await backend.ask<PushReport>("pushMessage", "connector", "after", {}, "room");
    t.like(after, { targeted: 9, delivered: 9 });
    await eventually(() => clients.every((client) => client.of("after").length === 1), 5000);
  });
}
