import { execFile } from "node:child_process";
import diagnostics from "node:diagnostics_channel";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import test from "ava";
import { Redis } from "ioredis";
import { WebSocket } from "ws";
import { WebSocketConnector } from "../src/connectors/websocket/connector.js";
import { diagnostics as channels } from "../src/diagnostics.js";
import { DIAGNOSTICS_CHANNELS, memory, type DiagnosticsMessages } from "../src/index.js";
import { eventually } from "./cluster/cluster.js";
import { diagnosticsOf } from "./support/diagnostics.js";
import { startRedis, type RedisServer } from "./support/redis-server.js";
import { cuttable, membersAt, Stage } from "./support/stage.js";

// What is told on the diagnostics channels, on a real Redis; the last test compares all of it with README.

let server: RedisServer;
test.before(async () => {
  server = await startRedis();
});
test.after.always(() => server?.stop());

/** Everything that was told in this file, by channel. */
const told = new Map<string, object[]>(DIAGNOSTICS_CHANNELS.map((name) => [name, []]));

/** From now on. */
function keepAll(): void {
  for (const [name, messages] of told) diagnostics.subscribe(name, (message) => messages.push(message as object));
}

test.serial("where nobody subscribes nothing is published, and so nothing made", async (t) => {
  const published: string[] = [];
  for (const channel of Object.values(channels)) {
    channel.publish = () => void published.push(String(channel.name));
    // The one of its prototype, which is another one with the first subscriber.
    t.teardown(() => Reflect.deleteProperty(channel, "publish"));
  }
  const stage = new Stage(t);
  const { cluster, cut } = cuttable(stage.cluster());
  const { frontend, clients } = await stage.frontend("s1", { leaseMs: 60 });
  clients.connect("ann");
  await stage.frontend("s2", { cluster, leaseMs: 60 });
  const service = await stage.service({ maxPendingCalls: 1, graceMs: 0, reapIntervalMs: 10 });
  await service.addMany([...membersAt("s1", "room", ["ann"]), ...membersAt("s2", "room", ["bob"])]);

  cut();
  await service.pushMessage("connector", "chat", 1, "room");
  await t.throwsAsync(Promise.all([service.count("room"), service.count("room")]), { code: "GC_OVERLOADED" });
  await eventually(async () => (await stage.cluster().manager.getServers!()).join() === "s1", 3000);
  busyFor(700);
  // The lag would be told when its timer is late.
  await sleep(150);
  await frontend.stop();

  t.deepEqual(published, []);
  keepAll();
});

test.serial("push › one for each call, with its report, or with the error of one that is refused", async (t) => {
  const stage = new Stage(t, { redis: server });
  const service = await stage.service();
  const { clients } = await stage.frontend("s1");
  clients.connect("ann");
  await eventually(async () => (await service.getSids("ann")).length === 1, 3000);
  await service.addMany(membersAt("s1", "room", ["ann", "bob"]));
  const pushes = diagnosticsOf(t, "globalchannel:push", (push) => push.service === service);

  const reports = [
    await service.pushMessage("connector", "chat", 1, "room"),
    await service.pushMessage("connector", "chat", 2, ["room", "hall"], (_error, _failIds) => {}),
    await service.pushToUsers("connector", "chat", 3, ["ann", "eve"]),
    await service.broadcast("connector", "chat", 4),
  ];
  const refused = await t.throwsAsync(service.pushMessage("connector", "chat", 1n, "room"));

  t.deepEqual(
    pushes.map(({ ms: _ms, ...push }) => push),
    [
      { service, stype: "connector", route: "chat", names: ["room"], report: reports[0]! },
      { service, stype: "connector", route: "chat", names: ["room", "hall"], report: reports[1]! },
      { service, stype: "connector", route: "chat", uids: 2, report: reports[2]! },
      { service, stype: "connector", route: "chat", report: reports[3]! },
      { service, stype: "connector", route: "chat", names: ["room"], error: refused },
    ],
  );
  t.true(pushes.every(({ ms }) => ms >= 0 && ms < 10_000));
});

test.serial("push › one that failed at every frontend has the error and the report", async (t) => {
  const stage = new Stage(t, { redis: server });
  const service = await stage.service();
  const { clients } = await stage.frontend("s1");
  await service.add("room", "ann", "s1");
  clients.hang();
  const pushes = diagnosticsOf(t, "globalchannel:push");

  await t.throwsAsync(service.pushMessage("connector", "chat", 1, "room", { timeoutMs: 100 }), {
    code: "GC_PUSH_FAILED",
  });

  t.like(pushes, { 0: { report: { targeted: 1, unknown: 1 }, error: { code: "GC_PUSH_FAILED" } }, length: 1 });
  t.true(pushes[0]!.ms >= 99, `${pushes[0]!.ms} ms`);
});

test.serial(
  "lease › one for each renewal and one at the end, with how many members and channels there are",
  async (t) => {
    const stage = new Stage(t, { redis: server });
    const service = await stage.service();
    const leases = diagnosticsOf(t, "globalchannel:lease");
    const { frontend, clients } = await stage.frontend("s1", { leaseMs: 300 });
    for (const uid of ["ann", "bob"]) clients.connect(uid);
    await service.addMany([...membersAt("s1", "room", ["ann", "bob"]), ...membersAt("s1", "hall", ["ann"])]);

    await eventually(() => leases.some(({ members, channels: names }) => members === 2 && names === 2), 3000);
    await frontend.stop();

    t.like(leases[0], { frontend, sid: "s1", stype: "connector", state: "held", members: 0, channels: 0 });
    t.like(leases.at(-2), { state: "held" });
    t.like(leases.at(-1), { state: "released" });
    t.is(leases.filter(({ state }) => state === "released").length, 1);
    t.true(leases.every(({ ms, lagMs }) => ms > 0 && ms < 5000 && lagMs >= 0 && lagMs < 5000));
  },
);

test.serial("lease › a frontend without versions does not know how many members there are", async (t) => {
  const { manager, ...others } = memory();
  const plain = Object.create(manager, { capabilities: { value: {} } }) as typeof manager;
  const leases = diagnosticsOf(t, "globalchannel:lease");

  await new Stage(t).frontend("s1", { cluster: { manager: plain, ...others } });

  t.like(leases[0], { sid: "s1", members: undefined, channels: undefined });
});

test.serial("evicted › what a dead frontend left is told by those who removed it, each membership once", async (t) => {
  const stage = new Stage(t, { redis: server });
  const { cluster, crash } = stage.crashing();
  await stage.frontend("s1", { cluster, leaseMs: 300 });
  const services = await Promise.all([1, 2].map(() => stage.service({ graceMs: 100, reapIntervalMs: 50 })));
  await services[0]!.addMany(membersAt("s1", "room", ["ann", "bob", "cid"]));
  const evicted = diagnosticsOf(t, "globalchannel:evicted");
  const removed = () => evicted.reduce((sum, { members }) => sum + members, 0);

  crash();
  await eventually(() => removed() === 3, 5000);

  t.true(evicted.every(({ service, sid }) => sid === "s1" && services.some((each) => each === service)));
});

test.serial("gap › everything that a lost connection may have carried is told when it is back", async (t) => {
  const stage = new Stage(t, { redis: server });
  const service = await stage.service();
  service.on("leave", () => {});
  const { frontend } = await stage.frontend("s1");
  const client = new Redis(server.url);
  t.teardown(() => client.disconnect());
  await service.add("room", "ann", "s1");
  const gaps = diagnosticsOf(t, "globalchannel:gap");
  const of = (source: object) => gaps.filter((gap) => gap.source === source).map((gap) => gap.of);

  await client.call("CLIENT", "KILL", "TYPE", "pubsub");
  await eventually(() => of(service).length > 0 && of(frontend).length > 0, 5000);
  await eventually(() => gaps.filter(({ of: what }) => what === "replies").length === 2, 5000);

  t.deepEqual(of(service), ["changes"]);
  t.deepEqual(of(frontend), ["changes"]);
  // The frontend's transport, and the service's.
  t.deepEqual(
    gaps
      .filter(({ source }) => source !== service && source !== frontend)
      .map((gap) => gap.of)
      .toSorted(),
    ["replies", "replies", "requests"],
  );
});

test.serial("lag › a frontend whose process is held up says for how long, and in the next lease", async (t) => {
  const stage = new Stage(t, { redis: server });
  const { frontend } = await stage.frontend("s1", { leaseMs: 3000 });
  const lags = diagnosticsOf(t, "globalchannel:lag");
  const leases = diagnosticsOf(t, "globalchannel:lease");

  busyFor(900);
  await eventually(() => lags.length > 0 && leases.length > 0, 5000);

  t.like(lags[0], { source: frontend, queue: "inbox" });
  t.true(lags[0]!.ms! >= 750 && lags[0]!.ms! < 5000, `${lags[0]!.ms} ms`);
  t.true(leases.some(({ lagMs }) => lagMs >= 750));

  const other = await stage.frontend("s2");
  await frontend.stop();
  lags.length = 0;
  busyFor(900);
  await eventually(() => lags.some(({ source }) => source === other.frontend), 5000);
  t.false(
    lags.some(({ source }) => source === frontend),
    "it has stopped",
  );
});

test.serial("lag › that a service has no room is told once", async (t) => {
  const service = await new Stage(t, { redis: server }).service({ maxPendingPushes: 1 });
  const lags = diagnosticsOf(t, "globalchannel:lag", ({ source }) => source === service);
  const push = () => service.pushMessage("connector", "chat", 1, "room");

  const first = push();
  for (const _ of [1, 2, 3]) await t.throwsAsync(push(), { code: "GC_OVERLOADED" });
  await first;

  t.deepEqual(lags, [{ source: service, queue: "pushes", limit: 1 }]);
});

test.serial("slow-client › a client that does not read is told, and closed; the others get all", async (t) => {
  const stage = new Stage(t, { redis: server });
  const connector = new WebSocketConnector({
    port: 0,
    authenticate: (request) => request.url!.slice(1),
    maxBufferedBytes: 100_000,
  });
  await stage.frontend("s1", { connector });
  const service = await stage.service();
  const connect = async (uid: string): Promise<WebSocket & { received: number }> => {
    const client = Object.assign(new WebSocket(`ws://127.0.0.1:${connector.address().port}/${uid}`), { received: 0 });
    t.teardown(() => client.terminate());
    client.on("message", () => client.received++);
    await once(client, "open");
    await eventually(async () => (await service.getSids(uid)).length === 1, 3000);
    return client;
  };
  const [slow, good] = [await connect("slow"), await connect("good")];
  await service.addMany(membersAt("s1", "room", ["slow", "good"]));
  const closed = diagnosticsOf(t, "globalchannel:slow-client");

  slow.pause();
  let pushes = 0;
  while (closed.length === 0) {
    await service.pushMessage("connector", "chat", "x".repeat(100_000), "room");
    pushes++;
  }
  await eventually(() => good.received === pushes, 5000);

  t.like(closed, { 0: { connector, uid: "slow" }, length: 1 });
  t.true(closed[0]!.bufferedBytes > 100_000);
});

test.serial("error › what nobody waits for", async (t) => {
  const stage = new Stage(t, { redis: server });
  const onMessage = (): never => {
    throw new Error("in the application");
  };
  const { frontend, clients } = await stage.frontend("s1", { onMessage });
  const errors = diagnosticsOf(t, "globalchannel:error");

  clients.connect("ann");
  clients.send("ann", "chat", 1);

  t.like(errors, { 0: { source: frontend, error: { code: "GC_LISTENER_FAILED" } }, length: 1 });
});

test("a subscriber that throws breaks no push: it is an uncaught exception of its own", async (t) => {
  const code = `
    import diagnostics from "node:diagnostics_channel";
    import { GlobalChannelService, memory } from "./src/index.ts";
    process.on("uncaughtException", (error) => console.log("uncaught:", error.message));
    diagnostics.subscribe("globalchannel:push", () => { throw new Error("mine"); });
    const service = new GlobalChannelService({ cluster: memory() });
    await service.start();
    console.log("targeted:", (await service.pushMessage("connector", "chat", 1, "room")).targeted);
    await service.stop();
  `;

  const { stdout } = await promisify(execFile)(process.execPath, ["--import=tsx", "--input-type=module", "-e", code]);

  t.deepEqual(stdout.trim().split("\n").toSorted(), ["targeted: 0", "uncaught: mine"]);
});

test.serial("README has each channel, with the fields that its messages have, and no other", async (t) => {
  const readme = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const rows = [...readme.matchAll(/^\| `(globalchannel:[\w-]+)` \| .* \| (.*) \|$/gm)].map(
    ([, name, fields]) => [name!, [...fields!.matchAll(/`(\w+\??)`/g)].map(([, field]) => field!)] as const,
  );

  t.deepEqual(
    rows.map(([name]) => name),
    [...DIAGNOSTICS_CHANNELS],
  );
  for (const [name, fields] of rows) {
    const messages = told.get(name)!.map((message) => Object.keys(message));
    const always = (field: string): boolean => messages.every((keys) => keys.includes(field));
    const found = [...new Set(messages.flat())].map((field) => (always(field) ? field : `${field}?`));
    t.deepEqual(fields.toSorted(), found.toSorted(), `${name}, of ${messages.length} messages`);
  }
});

test("the names are what messages have types for", (t) => {
  const typed = {
    "globalchannel:error": true,
    "globalchannel:push": true,
    "globalchannel:lease": true,
    "globalchannel:evicted": true,
    "globalchannel:gap": true,
    "globalchannel:lag": true,
    "globalchannel:slow-client": true,
  } satisfies Record<keyof DiagnosticsMessages, true>;

  t.deepEqual([...DIAGNOSTICS_CHANNELS], Object.keys(typed));
  t.true(Object.isFrozen(DIAGNOSTICS_CHANNELS));
});

/** Lets nothing else of this process happen. */
function busyFor(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}
