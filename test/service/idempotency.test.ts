import { Redis } from "ioredis";
import { type ChannelHistory, type Cluster, GlobalChannelError, type GlobalChannelService } from "../../src/index.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { startProcess } from "../support/process.js";
import { errorsOf, onEveryStage, replacing, type Stage } from "../support/stage.js";
import { totals, twoFrontends } from "../support/two-frontends.js";
import { WAYS } from "../support/ways.js";
import type { PusherApi } from "./pusher-process.js";

// Pushes with an idempotency key: each is done once, whoever calls for it how often.

const test = onEveryStage({ history: { "room*": { size: 100, ttlMs: 60_000 } } });

type Push = (service: GlobalChannelService, msg: unknown, idempotencyKey: string) => ReturnType<typeof toHall>;

const toHall = (
  service: GlobalChannelService,
  msg: unknown,
  idempotencyKey: string,
  name: string | string[] = "hall",
) => service.pushMessage("connector", "chat", msg, name, { idempotencyKey });

/** The kinds of pushes, all of which reach ann. */
const KINDS: Record<string, Push> = {
  "to a channel": (service, msg, key) => toHall(service, msg, key),
  "to channels": (service, msg, key) => toHall(service, msg, key, ["hall", "yard", "none"]),
  "to a channel that keeps it": (service, msg, key) => toHall(service, msg, key, "room"),
  "to users": (service, msg, idempotencyKey) =>
    service.pushToUsers("connector", "chat", msg, ["ann", "absent"], { idempotencyKey }),
  "to everyone": (service, msg, idempotencyKey) => service.broadcast("connector", "chat", msg, { idempotencyKey }),
};

async function start(stage: Stage, service: GlobalChannelService) {
  const staged = await twoFrontends(stage, service);
  await service.addMany(
    ["hall", "yard"].flatMap((name) => [
      { name, uid: "ann", sid: "s1" },
      { name, uid: "cid", sid: "s2" },
    ]),
  );
  return { ...staged, received: (uid = "ann") => staged.first.received(uid).map(({ msg }) => msg) };
}

/** What is left of a report that says that it is repeated. */
function first<T extends { repeated?: true }>({ repeated: _repeated, ...report }: T): Omit<T, "repeated"> {
  return report;
}

for (const [way, change] of Object.entries(WAYS)) {
  test.alone(`${way}: a push is done once, and then has the same report, also where it is kept`, async (t, stage) => {
    const service = await stage.service({ cluster: change(stage.cluster()) });
    const { received } = await start(stage, service);

    for (const [kind, push] of Object.entries(KINDS)) {
      const report = await push(service, kind, "key");
      const again = await push(service, "again", "key");

      t.is(report.repeated, undefined, kind);
      t.true(again.repeated, kind);
      t.deepEqual(first(again), first(report), kind);
    }

    t.deepEqual(received(), Object.keys(KINDS));
    t.deepEqual(
      (await service.history("room")).messages.map(({ msg }) => msg),
      ["to a channel that keeps it"],
    );
  });

  test.alone(`${way}: of calls at the same time one is done, and all have its report`, async (t, stage) => {
    const service = await stage.service({ cluster: change(stage.cluster()) });
    const { received } = await start(stage, service);

    for (const [kind, push] of Object.entries(KINDS)) {
      const reports = await Promise.all(numbers(20).map((n) => push(service, `${kind} ${n}`, "key")));
      t.deepEqual(reports.filter(({ repeated }) => !repeated).length, 1, kind);
      for (const report of reports) t.deepEqual(first(report), first(reports[0]!), kind);
    }

    t.deepEqual(
      received(),
      Object.keys(KINDS).map((kind) => `${kind} 1`),
    );
  });
}

test("another service has the report, too, with what has failed", async (t, stage) => {
  const [one, other] = [await stage.service(), await stage.service()];
  const { received } = await start(stage, one);
  await one.add("hall", "gone", "s1");

  for (const [kind, push] of Object.entries(KINDS)) {
    const report = await push(one, kind, "key");
    await eventually(async () => !(await push(other, "again", "key")).isUnsettled, 3000);
    const again = await push(other, "again", "key");
    t.true(again.repeated, kind);
    t.deepEqual(first(again), first(report), kind);
  }
  t.deepEqual(received(), Object.keys(KINDS));
});

test("of calls in several services at the same time one is done", async (t, stage) => {
  const services = await Promise.all(numbers(4).map(() => stage.service()));
  const { received } = await start(stage, services[0]!);

  for (const [kind, push] of Object.entries(KINDS)) {
    const reports = await Promise.all(
      numbers(20).map((n) => push(services[n % services.length]!, `${kind} ${n}`, "key")),
    );
    t.is(reports.filter(({ repeated }) => !repeated).length, 1, kind);
    t.is(received().length, Object.keys(KINDS).indexOf(kind) + 1, kind);
  }
});

test("keys are of a kind of push, a type of frontends and channels, in whichever order those are named", async (t, stage) => {
  const service = await stage.service();
  const { received } = await start(stage, service);
  const options = { idempotencyKey: "key" };

  const reports = [
    await toHall(service, 1, "key"),
    await toHall(service, 2, "key", ["hall", "yard"]),
    await toHall(service, 3, "key", "yard"),
    await toHall(service, 4, "key 2"),
    await service.pushToUsers("connector", "chat", 5, ["ann"], options),
    await service.broadcast("connector", "chat", 6, options),
    await service.pushMessage("gate", "chat", "of another type", "hall", options),
  ];
  const again = await toHall(service, 7, "key", ["yard", "hall", "yard"]);

  for (const [index, { repeated }] of reports.entries()) t.is(repeated, undefined, String(index + 1));
  t.true(again.repeated);
  t.deepEqual(first(again), first(reports[1]!));
  t.deepEqual(received(), [1, 2, 3, 4, 5, 6]);
});

test("keys may be any names", async (t, stage) => {
  const service = await stage.service();
  const { received } = await start(stage, service);
  const keys = ["{a}", "a b", " ", "😀", "\n", "x".repeat(1024), "__proto__", '["'];
  for (const key of keys) t.is((await toHall(service, key, key)).repeated, undefined, key);
  for (const key of keys) t.true((await toHall(service, "again", key)).repeated, key);
  t.deepEqual(received(), keys);
});

test("a callback of a repeated push gets the same failIds", async (t, stage) => {
  const service = await stage.service();
  await start(stage, service);
  await service.add("hall", "gone", "s1");
  const call = (): Promise<unknown[]> =>
    new Promise((resolve) => {
      const options = { idempotencyKey: "key" };
      void service.pushMessage("connector", "chat", 1, "hall", options, (...result) => resolve(result));
    });
  t.deepEqual(await call(), [null, ["gone"]]);
  t.deepEqual(await call(), [null, ["gone"]]);
});

/** A cluster whose transport says what becomes of pushes. */
function answering(cluster: Cluster, failure: () => Error | undefined): Cluster {
  const transport = replacing(cluster.transport, {
    async request(sid, request, options) {
      const error = request.type === "push" ? failure() : undefined;
      if (error) throw error;
      return cluster.transport.request(sid, request, options);
    },
  });
  return { ...cluster, transport };
}

const unreachable = (): Error => new GlobalChannelError("GC_FRONTEND_UNREACHABLE", "away", { temporary: true });

test("after a push that nobody has got its key is free, unless it is kept", async (t, stage) => {
  let isAway = true;
  const service = await stage.service({
    cluster: answering(stage.cluster(), () => (isAway ? unreachable() : undefined)),
  });
  const other = await stage.service();
  const { received } = await start(stage, other);
  const kinds = Object.entries(KINDS).filter(([kind]) => kind !== "to a channel that keeps it");

  for (const [kind, push] of kinds) {
    isAway = true;
    await t.throwsAsync(push(service, "lost", "key"), { code: "GC_PUSH_FAILED" }, kind);
    isAway = false;
    t.is((await push(service, kind, "key")).repeated, undefined, kind);
    t.true((await push(service, "again", "key")).repeated, kind);
  }
  isAway = true;
  const kept = KINDS["to a channel that keeps it"]!;
  const error = (await t.throwsAsync(kept(service, "kept", "key"), { code: "GC_PUSH_FAILED" })) as GlobalChannelError;
  isAway = false;
  const again = await kept(service, "again", "key");

  t.like(again, { repeated: true, isUnsettled: undefined, targeted: 3, failed: 3, delivered: 0 });
  t.like(again.frontends[0], { error: { code: "GC_FRONTEND_UNREACHABLE", message: "away" } });
  t.deepEqual(again.positions, (error.report as typeof again).positions);
  t.deepEqual(
    received(),
    kinds.map(([kind]) => kind),
  );
});

test("a push of which nobody knows whether it was got is not done again, and says so", async (t, stage) => {
  let failure: Error | undefined = new Error("the connection broke");
  const service = await stage.service({ cluster: answering(stage.cluster(), () => failure) });
  const { received } = await start(stage, await stage.service());

  await t.throwsAsync(toHall(service, "may be lost", "key"), { code: "GC_PUSH_FAILED" });
  failure = undefined;
  const again = await toHall(service, "again", "key");

  t.true(again.repeated);
  t.is(again.isUnsettled, undefined);
  t.deepEqual(totals(again), [2, 0, 0, 2, 0]);
  t.deepEqual(again.failIds.toSorted(), ["ann", "cid"]);
  t.deepEqual(received(), []);
});

test("where reading who is to get it fails, nothing was sent, and the key is free again", async (t, stage) => {
  const cluster = stage.cluster();
  let isAway = false;
  const registry = replacing(cluster.registry, {
    async list() {
      if (isAway) throw new GlobalChannelError("GC_STORE_UNAVAILABLE", "away", { temporary: true });
      return cluster.registry.list();
    },
  });
  const service = await stage.service({ cluster: { ...cluster, registry } });
  const { received } = await start(stage, await stage.service());
  const kinds = Object.entries(KINDS).filter(([kind]) => kind !== "to a channel that keeps it");

  for (const [kind, push] of kinds) {
    isAway = true;
    await t.throwsAsync(push(service, "lost", "key"), { code: "GC_STORE_UNAVAILABLE" }, kind);
    isAway = false;
    await eventually(async () => (await push(service, kind, "key")).repeated === undefined, 3000);
  }

  t.deepEqual(
    received(),
    kinds.map(([kind]) => kind),
  );
});

test.alone("a push that comes too late is neither sent nor kept, and its key is free again", async (t, stage) => {
  const cluster = stage.cluster();
  let isSlow = true;
  let go!: () => void;
  const slow = new Promise<void>((resolve) => (go = resolve));
  const registry = replacing(cluster.registry, {
    async list() {
      if (isSlow) await slow;
      return cluster.registry.list();
    },
  });
  const service = await stage.service({ cluster: { ...cluster, registry }, timeoutMs: 100 });
  const { received } = await start(stage, await stage.service());

  await t.throwsAsync(toHall(service, "late", "key"), { code: "GC_TIMEOUT" });
  isSlow = false;
  go();
  await eventually(async () => (await toHall(service, "again", "key")).repeated === undefined, 3000);

  t.deepEqual(received(), ["again"]);
});

test("that the outcome cannot be told breaks nothing", async (t, stage) => {
  const cluster = stage.cluster();
  const history: ChannelHistory = replacing(cluster.history!, {
    async settle() {
      throw new GlobalChannelError("GC_STORE_UNAVAILABLE", "away", { temporary: true });
    },
  });
  const service = await stage.service({ cluster: { ...cluster, history } });
  const { received } = await start(stage, service);
  const errors = errorsOf(t, service);

  t.like(await toHall(service, 1, "key"), { delivered: 2 });
  await eventually(() => errors.length > 0, 3000);
  const again = await toHall(service, 2, "key");

  t.like(again, { repeated: true, isUnsettled: true, targeted: 0, delivered: 0, frontends: [] });
  t.deepEqual(received(), [1]);
});

test("a report that is too long for that comes again without the uids", async (t, stage) => {
  const [service, other] = [await stage.service(), await stage.service()];
  await start(stage, service);
  await service.addMany(numbers(3000).map((n) => ({ name: "hall", uid: `absent ${n} ${"x".repeat(20)}`, sid: "s1" })));

  const report = await toHall(service, 1, "key");
  await eventually(async () => !(await toHall(other, 2, "key")).isUnsettled, 3000);
  const again = await toHall(other, 2, "key");

  t.is(report.failIds.length, 3000);
  t.like(again, { targeted: 3002, delivered: 2, failed: 3000, unlisted: 3000, failIds: [] });
  t.is(
    again.frontends.reduce((sum, { unlisted = 0 }) => sum + unlisted, 0),
    3000,
  );
});

test("without answers a push is done once, too", async (t, stage) => {
  const service = await stage.service();
  const { received } = await start(stage, service);
  const options = { idempotencyKey: "key", ack: false };
  const report = await service.pushMessage("connector", "chat", 1, "hall", options);
  const again = await service.pushMessage("connector", "chat", 2, "hall", options);
  t.deepEqual(first(again), first(report));
  t.true(again.repeated);
  await eventually(() => received().length > 0, 3000);
  await service.pushMessage("connector", "chat", 3, "hall");
  t.deepEqual(received(), [1, 3]);
});

test.onRedisAlone("where a service is killed before it has an answer, its push is not done again", async (t, stage) => {
  const service = await stage.service();
  const { first: clients } = await twoFrontends(stage, service);
  await service.add("hall", "ann", "s1");
  const admin = new Redis(stage.url!);
  t.teardown(() => admin.disconnect());

  for (const name of ["hall", "room"]) {
    const child = await startProcess<PusherApi>(new URL("pusher-process.ts", import.meta.url), {
      args: [stage.url!, stage.prefix],
    });
    t.teardown(() => child.kill());
    // Its push arrives, and waits there.
    clients.hang();
    child.call("push", name, `of the killed one to ${name}`, "key").catch(() => {});
    await eventually(() => clients.isHolding, 5000);
    await child.kill();
    clients.resume();

    const again = await toHall(service, "again", "key", name);
    t.like(again, { repeated: true, isUnsettled: true, targeted: 0 });
    t.is(again.positions?.length, name === "room" ? 1 : undefined);
  }

  t.deepEqual(
    clients.received("ann").map(({ msg }) => msg),
    ["of the killed one to hall", "of the killed one to room"],
  );
  t.deepEqual(
    (await service.history("room")).messages.map(({ msg }) => msg),
    ["of the killed one to room"],
  );
  // It is forgotten by itself.
  for (const key of await admin.keys(`${stage.prefix}*:i:*`)) t.true((await admin.pttl(key)) > 290_000, key);
});

for (const [when, isSent] of [
  ["before it is sent", false],
  ["when it may have been sent", true],
] as const) {
  test(`a push that fails ${when}, and is not kept, leaves its key ${isSent ? "taken" : "free"}`, async (t, stage) => {
    const cluster = WAYS["with a history of one's own"]!(stage.cluster());
    const { fusedPush } = cluster;
    if (!fusedPush) {
      t.pass("there is none that could fail");
      return;
    }
    let fails = true;
    const failing = replacing(fusedPush, {
      push: async (push) => {
        if (!fails) return fusedPush.push(push);
        if (isSent) push.sending?.();
        throw new GlobalChannelError("GC_STORE_UNAVAILABLE", "the sets cannot be read");
      },
    });
    const service = await stage.service({ cluster: { ...cluster, fusedPush: failing } });
    const { received } = await start(stage, service);
    await t.throwsAsync(toHall(service, "first", "key"), { code: "GC_STORE_UNAVAILABLE" });
    fails = false;

    if (isSent) {
      t.true((await toHall(service, "again", "key")).repeated);
      t.deepEqual(received(), []);
      return;
    }
    // It is not waited until the key is free.
    await eventually(async () => !(await toHall(service, "again", "key")).repeated, 5000);
    t.deepEqual(received(), ["again"]);
  });
}
