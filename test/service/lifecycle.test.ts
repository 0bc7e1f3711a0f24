import { setImmediate } from "node:timers/promises";
import { GlobalChannelService, type PushReport } from "../../src/index.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { errorsOf, onEveryStage, replacing } from "../support/stage.js";

// How services start and stop, alone and with others on the same cluster object.

const test = onEveryStage();

test("start is called for once however often it is called, and calls before it are refused", async (t, stage) => {
  const service = new GlobalChannelService({ cluster: stage.cluster() });
  t.teardown(() => service.stop());
  await t.throwsAsync(service.add("room", "ann", "s1"), { code: "GC_NOT_STARTED" });
  await t.throwsAsync(service.pushMessage("connector", "chat", 1, "room"), { code: "GC_NOT_STARTED" });

  const calls: unknown[][] = [];
  const starting = service.start();
  t.is(service.start(), starting);
  await service.start((...args) => calls.push(args));
  await eventually(() => calls.length > 0, 1000);

  t.deepEqual(calls, [[null, undefined]]);
  t.true(await service.add("room", "ann", "s1"));
});

test("a start that failed leaves nothing behind and may be tried again", async (t, stage) => {
  const cluster = stage.cluster();
  let [isBroken, starts, stops] = [true, 0, 0];
  const manager = replacing(cluster.manager, {
    start: () => {
      starts++;
      return cluster.manager.start?.();
    },
    stop: (force) => {
      stops++;
      return cluster.manager.stop?.(force);
    },
  });
  const transport = replacing(cluster.transport, {
    start: async () => {
      if (isBroken) throw new Error("not today");
      await cluster.transport.start?.();
    },
  });
  const service = new GlobalChannelService({ cluster: { ...cluster, manager, transport } });
  t.teardown(() => service.stop());

  const first = service.start();
  await t.throwsAsync(first, { message: "not today" });
  t.deepEqual([starts, stops], [1, 1]);
  await t.throwsAsync(service.add("room", "ann", "s1"), { code: "GC_NOT_STARTED" });
  isBroken = false;
  await service.start();

  t.is(starts, 2);
  t.true(await service.add("room", "ann", "s1"));
});

test("a start whose watch for events failed may be tried again, and events are told then", async (t, stage) => {
  const cluster = stage.cluster();
  let isBroken = true;
  const manager = replacing(cluster.manager, {
    watchAll: async (listener) => {
      if (isBroken) throw new Error("no watch today");
      return cluster.manager.watchAll!(listener);
    },
  });
  const service = new GlobalChannelService({ cluster: { ...cluster, manager } });
  t.teardown(() => service.stop());
  const joined: string[] = [];
  service.on("join", ({ uid }) => joined.push(uid));

  await t.throwsAsync(service.start(), { code: "GC_STORE_ERROR", message: /watchAll failed: no watch today/ });
  isBroken = false;
  await service.start();
  await service.add("room", "ann", "s1");

  await eventually(() => joined.length > 0, 3000);
  t.deepEqual(joined, ["ann"]);
});

test("a watch for events that failed after the start is told, and tried again for the next listener", async (t, stage) => {
  const cluster = stage.cluster();
  let isBroken = true;
  const manager = replacing(cluster.manager, {
    watchAll: async (listener) => {
      if (isBroken) throw new Error("no watch today");
      return cluster.manager.watchAll!(listener);
    },
  });
  const service = await stage.service({ cluster: { ...cluster, manager } });
  const errors = errorsOf(t, service);
  const joined: string[] = [];

  service.on("join", ({ uid }) => joined.push(uid));
  await eventually(() => errors.length > 0, 3000);
  t.deepEqual(
    errors.map(({ message }) => message),
    ["the channel manager's watchAll failed: no watch today"],
  );
  isBroken = false;
  service.on("join", () => {});

  await eventually(async () => {
    await service.add("room", `user-${joined.length}`, "s1");
    await service.leave("room", `user-${joined.length}`, "s1");
    return joined.length > 0;
  }, 3000);
});

test("after stop every call is refused, a second stop is the first one, and it cannot be started again", async (t, stage) => {
  const service = await stage.service();

  const calls: unknown[][] = [];
  const stopping = service.stop();
  t.is(service.stop(true), stopping);
  await service.stop((...args) => calls.push(args));
  await eventually(() => calls.length > 0, 1000);

  t.deepEqual(calls, [[null, undefined]]);
  await t.throwsAsync(service.add("room", "ann", "s1"), { code: "GC_CLOSED" });
  await t.throwsAsync(service.broadcast("connector", "chat", 1), { code: "GC_CLOSED" });
  await t.throwsAsync(service.start(), { code: "GC_CLOSED" });
  await t.notThrowsAsync(new GlobalChannelService({ cluster: stage.cluster() }).stop());
});

test("stop waits for the pushes under way, and refuses new ones at once", async (t, stage) => {
  const service = await stage.service();
  const { clients } = await stage.frontend("s1");
  clients.connect("ann");
  await service.add("room", "ann", "s1");
  clients.hang();
  const settled: string[] = [];
  const push = service.pushMessage("connector", "chat", 1, "room");
  const pushed = push.then(() => settled.push("push"));

  const stopped = service.stop().then(() => settled.push("stop"));
  await t.throwsAsync(service.pushMessage("connector", "chat", 2, "room"), { code: "GC_CLOSED" });
  t.deepEqual(settled, []);
  clients.resume();
  await Promise.all([pushed, stopped]);

  t.deepEqual(settled, ["push", "stop"]);
  t.is((await push).delivered, 1);
});

test.alone("stop waits for a push that nobody answers until its deadline, with force not at all", async (t, stage) => {
  const { frontend, clients } = await stage.frontend("s1");
  const [patient, forced] = [await stage.service({ timeoutMs: 300 }), await stage.service({ timeoutMs: 1500 })];
  clients.connect("ann");
  await patient.add("room", "ann", "s1");
  clients.hang();

  const [first, second] = [patient, forced].map((service) =>
    service
      .pushMessage("connector", "chat", 1, "room")
      .catch((error: unknown) => (error as { report: PushReport }).report),
  );
  await eventually(() => clients.holding === 2, 3000);
  let startedAt = performance.now();
  await forced.stop(true);
  const forcedMs = performance.now() - startedAt;
  await patient.stop();
  startedAt = performance.now();
  const reports = await Promise.all([first, second]);

  t.true(forcedMs < 200, `${forcedMs} ms`);
  // Also what is left behind ends, at its own deadline at the latest.
  t.true(performance.now() - startedAt < 1700);
  t.deepEqual(
    reports.map((report) => (report as PushReport).unknown),
    [1, 1],
  );
  clients.resume();
  await t.notThrowsAsync(frontend.stop());
});

test("services and frontends that share a cluster object use it until the last of them stops, and new ones start it again", async (t, stage) => {
  const shared = stage.cluster();
  let [starts, stops] = [0, 0];
  const manager = replacing(shared.manager, {
    start: () => {
      starts++;
      return shared.manager.start?.();
    },
    stop: (force) => {
      stops++;
      return shared.manager.stop?.(force);
    },
  });
  const cluster = { ...shared, manager };
  const works = async (name: string): Promise<void> => {
    const [first, second, s1, s2] = await Promise.all([
      stage.service({ cluster }),
      stage.service({ cluster }),
      stage.frontend("s1", { cluster }),
      stage.frontend("s2", { cluster }),
    ]);
    s1.clients.connect("ann");
    s2.clients.connect("bob");
    await first.add(name, "ann", "s1");
    await second.add(name, "bob", "s2");
    t.is((await first.pushMessage("connector", "chat", 1, name)).delivered, 2);

    await first.stop();
    t.is((await second.pushMessage("connector", "chat", 2, name)).delivered, 2);
    await s1.frontend.stop();
    t.is((await second.pushMessage("connector", "chat", 3, name)).delivered, 1);
    await second.stop(true);
    s2.clients.disconnect("bob");
    await s2.frontend.stop();
  };

  await works("room");
  t.deepEqual([starts, stops], [1, 1]);
  await works("hall");
  t.deepEqual([starts, stops], [2, 2]);
});

test("a cluster object that is being stopped by its last user serves who starts meanwhile", async (t, stage) => {
  const cluster = stage.cluster();
  for (const turns of numbers(25)) {
    const first = await stage.service({ cluster });
    const second = new GlobalChannelService({ cluster });
    t.teardown(() => second.stop());

    const stopping = first.stop();
    for (let turn = 1; turn < turns; turn++) await setImmediate();
    await Promise.all([stopping, second.start()]);

    t.true(await second.add("room", `user-${turns}`, "s1"), `after ${turns} turns`);
    t.is((await second.pushMessage("connector", "chat", 1, "room")).targeted, 0);
    await second.stop();
  }
});

test("a service and a frontend are stopped by the end of the block that they are made in", async (t, stage) => {
  const { frontend } = stage.newFrontend("s1");
  const service = new GlobalChannelService({ cluster: stage.cluster() });
  const observer = await stage.service();
  await frontend.start();
  await service.start();
  await service.add("room", "ann", "s1");
  t.is(await observer.count("room"), 1);

  await frontend[Symbol.asyncDispose]();
  await service[Symbol.asyncDispose]();

  t.is(await observer.count("room"), 0);
  await t.throwsAsync(service.count("room"), { code: "GC_CLOSED" });
  await t.throwsAsync(frontend.start(), { code: "GC_CLOSED" });
});
