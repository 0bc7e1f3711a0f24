import diagnostics from "node:diagnostics_channel";
import type { ErrorMessage, GlobalChannelError, PushReport } from "../../src/index.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { connect, onEveryStage, replacing } from "../support/stage.js";
import { totals, twoFrontends } from "../support/two-frontends.js";

// Pushes with `ack: false`: done when they are sent.

const test = onEveryStage();
const ack = false;

test("every kind of push reaches its users, whom the report counts as unknown and does not name", async (t, stage) => {
  const service = await stage.service();
  const { first, second } = await twoFrontends(stage, service);

  const report = await service.pushMessage("connector", "chat", 1, "room", { ack });
  t.deepEqual(totals(report), [3, 0, 0, 3, 3]);
  t.deepEqual(report.failIds, []);
  t.deepEqual(
    report.frontends.toSorted((a, b) => a.sid.localeCompare(b.sid)),
    [
      { sid: "s1", targeted: 2, delivered: 0, failed: 0, unknown: 2, unlisted: 2 },
      { sid: "s2", targeted: 1, delivered: 0, failed: 0, unknown: 1, unlisted: 1 },
    ],
  );
  const toUsers = await service.pushToUsers("connector", "chat", 2, ["ann", "cid", "absent"], { ack });
  t.deepEqual(totals(toUsers), [3, 0, 1, 2, 2]);
  t.deepEqual(toUsers.failIds, ["absent"]);
  t.deepEqual(totals(await service.broadcast("connector", "chat", 3, { ack, except: ["bob"] })).slice(1, 3), [0, 0]);

  await eventually(() => second.received("cid").length === 3, 3000);
  await eventually(() => first.received("ann").length === 3, 3000);
  const [ann, bob] = ["ann", "bob"].map((uid) => first.received(uid).map(({ msg }) => msg));
  t.deepEqual([ann, bob], [[1, 2, 3], [1]]);
});

test("a callback gets whom it is known not to have reached, and no error", async (t, stage) => {
  const service = await stage.service();
  await twoFrontends(stage, service);
  const calls: unknown[][] = [];

  await service.pushMessage("connector", "chat", 1, "room", { ack }, (...args) => calls.push(args));
  await service.pushToUsers("connector", "chat", 2, ["ann", "absent"], { ack }, (...args) => calls.push(args));
  await eventually(() => calls.length === 2, 3000);

  t.deepEqual(calls, [
    [null, []],
    [null, ["absent"]],
  ]);
});

test("pushes with and without ack arrive in the order of the calls", async (t, stage) => {
  const service = await stage.service();
  const { first, second } = await twoFrontends(stage, service);

  await Promise.all(numbers(300).map((n) => service.pushMessage("connector", "chat", n, "room", { ack: n % 3 === 0 })));
  await service.pushMessage("connector", "chat", "last", "room");

  for (const received of [first.received("ann"), second.received("cid")]) {
    t.deepEqual(
      received.map(({ msg }) => msg),
      [...numbers(300), "last"],
    );
  }
});

test.alone("a frontend that hangs is not waited for", async (t, stage) => {
  const service = await stage.service();
  const { first, second } = await twoFrontends(stage, service);
  first.hang();
  second.hang();

  const startedAt = performance.now();
  t.deepEqual(totals(await service.pushMessage("connector", "chat", 1, "room", { ack })), [3, 0, 0, 3, 3]);
  t.deepEqual(totals(await service.pushToUsers("connector", "chat", 1, ["ann", "cid"], { ack })), [2, 0, 0, 2, 2]);

  t.true(performance.now() - startedAt < 2000);
});

test.alone("members at a frontend that nobody serves are failed and named", async (t, stage) => {
  const service = await stage.service();
  await twoFrontends(stage, service);
  const { cluster, crash } = stage.crashing();
  const { clients } = await stage.frontend("s3", { cluster });
  await connect(service, "s3", clients, ["dan"]);
  await service.add("room", "dan", "s3");
  crash();

  // Until its lease ends it is pushed to.
  const reports: PushReport[] = [];
  for (let tries = 0; tries < 20; tries++) {
    reports.push(await service.pushMessage("connector", "chat", 1, "room", { ack, timeoutMs: 1000 }));
  }

  for (const { failed, failIds, targeted, delivered, unknown, unlisted } of reports) {
    t.is(delivered + failed + unknown, targeted);
    t.is(failIds.length + unlisted, failed + unknown);
    t.deepEqual(failIds, failed > 0 ? ["dan"] : []);
  }
  if (stage.kind === "redis") t.true(reports.some(({ failed }) => failed === 1));
});

test("with a transport that cannot send, it asks and does not wait for the answer", async (t, stage) => {
  const { manager, registry, transport } = stage.cluster();
  let answered = 0;
  const asking = replacing(transport, {
    send: undefined as never,
    request: async (sid, request, options) => {
      const reply = await transport.request(sid, request, options);
      answered++;
      return reply;
    },
  });
  const service = await stage.service({ cluster: { manager, registry, transport: asking } });
  const { first } = await twoFrontends(stage, service);

  t.deepEqual(totals(await service.pushMessage("connector", "chat", 1, "room", { ack })), [3, 0, 0, 3, 3]);

  await eventually(() => answered === 2, 3000);
  t.deepEqual(
    first.received("ann").map(({ msg }) => msg),
    [1],
  );
});

test("a transport whose send never settles ends with the deadline", async (t, stage) => {
  const { manager, registry, transport } = stage.cluster();
  const stuck = replacing(transport, { send: () => new Promise<void>(() => {}) });
  const service = await stage.service({ cluster: { manager, registry, transport: stuck } });
  await twoFrontends(stage, service);

  const error = (await t.throwsAsync(
    service.pushMessage("connector", "chat", 1, "room", { ack, timeoutMs: 200 }),
  )) as GlobalChannelError;

  t.is(error.code, "GC_PUSH_FAILED");
  const { targeted, unknown, failIds, unlisted } = error.report as PushReport;
  t.deepEqual([targeted, unknown, failIds.length + unlisted], [3, 3, 3]);
});

test.alone("what fails at the frontend is told there", async (t, stage) => {
  const service = await stage.service();
  const { first } = await twoFrontends(stage, service);
  const errors: unknown[] = [];
  const note = (message: unknown): void => void errors.push((message as ErrorMessage).error);
  diagnostics.subscribe("globalchannel:error", note);
  t.teardown(() => diagnostics.unsubscribe("globalchannel:error", note));
  first.deliver = () => {
    throw new Error("cannot deliver");
  };

  const report = await service.pushMessage("connector", "chat", 1, "room", { ack });

  t.is(report.unknown, 3);
  await eventually(() => errors.some((error) => String(error).includes("cannot deliver")), 3000);
});

test("ack must be a boolean", async (t, stage) => {
  const service = await stage.service();

  await t.throwsAsync(service.pushMessage("connector", "chat", 1, "room", { ack: 0 as never }), {
    code: "GC_INVALID_OPTION",
    message: "push: ack is 0; it must be true or false",
  });
});

test("a push that was given up before its turn is not sent after", async (t, stage) => {
  const { manager, registry, transport } = stage.cluster();
  let release!: () => void;
  const released = new Promise<void>((resolve) => (release = resolve));
  const slow = replacing(manager, {
    getMemberSets: async (name, copies) => {
      if (name === "slow") await released;
      return manager.getMemberSets!(name, copies);
    },
  });
  const service = await stage.service({ cluster: { manager: slow, registry, transport } });
  const { first } = await twoFrontends(stage, service);

  const before = service.pushMessage("connector", "chat", 1, ["slow", "room"]);
  const error = (await t.throwsAsync(
    service.pushMessage("connector", "chat", 2, "room", { ack, timeoutMs: 200 }),
  )) as GlobalChannelError;
  release();
  await before;
  await service.pushMessage("connector", "chat", 3, "room");

  t.is(error.code, "GC_TIMEOUT");
  t.deepEqual(
    first.received("ann").map(({ msg }) => msg),
    [1, 3],
  );
});

test("whom the frontend does not know is taken out, where only the answer says who that is", async (t, stage) => {
  const { manager, registry, transport } = stage.cluster();
  const uidsOnly = replacing(transport, { limits: { uidsOnly: true }, send: undefined as never });
  const service = await stage.service({ cluster: { manager, registry, transport: uidsOnly } });
  await twoFrontends(stage, service);
  await service.add("room", "gone", "s1");

  await service.pushMessage("connector", "chat", 1, "room", { ack });

  await eventually(async () => !(await service.isMember("room", "gone")), 3000);
  t.true(await service.isMember("room", "ann"));
});

test("what goes on after pushes are done counts as under way, and stop waits for it", async (t, stage) => {
  const { manager, registry, transport } = stage.cluster();
  let release!: () => void;
  const released = new Promise<void>((resolve) => (release = resolve));
  let answered = 0;
  const asking = replacing(transport, {
    send: undefined as never,
    request: async (sid, request, options) => {
      await released;
      const reply = await transport.request(sid, request, options);
      answered++;
      return reply;
    },
  });
  const service = await stage.service({ cluster: { manager, registry, transport: asking }, maxPendingPushes: 2 });
  await twoFrontends(stage, service);

  await service.pushMessage("connector", "chat", 1, "room", { ack });
  await t.throwsAsync(service.pushMessage("connector", "chat", 2, "room", { ack }), { code: "GC_OVERLOADED" });
  const stopping = service.stop();
  release();
  await stopping;

  t.is(answered, 2);
});
