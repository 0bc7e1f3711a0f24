import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import test, { type ExecutionContext } from "ava";
import { type Cluster, type GlobalChannelService, memory, type PushReport } from "../../src/index.js";
import { redis } from "../../src/redis/index.js";
import { numbers } from "../cluster/cluster.js";
import { startRedis, type RedisServer } from "../support/redis-server.js";
import { errorsOf } from "../support/stage.js";
import { gated, KEPT, startService, startWebSocketFrontend, tuple } from "./history-support.js";
import { until } from "./websocket-support.js";

// Sessions over WebSocket that go on where they were: real sockets, a whole frontend.

let server: RedisServer;
test.before(async () => {
  server = await startRedis();
});
test.after.always(() => server?.stop());

const history = { "room*": KEPT, few: { size: 3, ttlMs: 60_000 } };
const CLUSTERS: Record<string, () => () => Cluster> = {
  memory: () => {
    const cluster = memory({ history });
    return () => cluster;
  },
  Redis: () => {
    const prefix = randomUUID();
    return () => redis(server.url, { prefix, history });
  },
};

function push(service: GlobalChannelService, name: string | string[], msg: unknown): Promise<PushReport> {
  return service.pushMessage("connector", "chat", msg, name);
}

async function pushAll(service: GlobalChannelService, name: string | string[], msgs: readonly unknown[]) {
  return Promise.all(msgs.map((msg) => push(service, name, msg)));
}

/** A frontend in memory, and ann as a member of `room` there. */
async function start(t: ExecutionContext, options: Parameters<typeof startWebSocketFrontend>[3] = {}) {
  const gate = gated(memory({ history }));
  const service = await startService(t, gate.cluster);
  const started = await startWebSocketFrontend(t, gate.cluster, "s1", options);
  await service.add("room", "ann", "s1");
  return { service, gate, ...started };
}

for (const [store, createCluster] of Object.entries(CLUSTERS)) {
  test(`${store}: a client that asks for it is told where it is, and where each message is`, async (t) => {
    const cluster = createCluster();
    const service = await startService(t, cluster());
    const { connect } = await startWebSocketFrontend(t, cluster(), "s1");
    await push(service, "room", "before");

    const ann = await connect("ann");
    await service.add("room", "ann", "s1");
    await until(() => ann.frames.length === 1);
    const report = await push(service, "room", { text: "hi" });
    await until(() => ann.frames.length === 2);

    const { epoch } = report.positions![0]!;
    t.deepEqual(ann.frames, [
      { positions: { room: [epoch, 1] } },
      { route: "chat", msg: { text: "hi" }, positions: { room: [epoch, 2] } },
    ]);
  });

  test(`${store}: one that comes back gets what it has missed, in order, each once, and then goes on`, async (t) => {
    const cluster = createCluster();
    const service = await startService(t, cluster());
    const frontends = await Promise.all(["s1", "s2"].map((sid) => startWebSocketFrontend(t, cluster(), sid)));
    for (const sid of ["s1", "s2"]) for (const name of ["room", "room:2"]) await service.add(name, "ann", sid);
    let ann = await frontends[0]!.connect("ann");
    await until(() => Object.keys(ann.positions).length === 2);
    const received: { room: unknown[]; "room:2": unknown[] } = { room: [], "room:2": [] };
    const note = (): void => {
      for (const msg of ann.msgs as string[]) received[msg.startsWith("2") ? "room:2" : "room"].push(msg);
    };

    // It goes and comes in the middle of pushes, from one frontend to the other.
    const pushes: Promise<PushReport>[] = [];
    for (const n of numbers(20)) {
      for (const m of numbers(30)) {
        pushes.push(push(service, "room", `1 ${n} ${m}`), push(service, "room:2", `2 ${n} ${m}`));
      }
      if (n % 5 === 0) await Promise.all(pushes);
      else await new Promise((resolve) => setTimeout(resolve, 5));
      ann.ws.terminate();
      await ann.closed;
      note();
      ann = await frontends[n % 2]!.connect("ann", ann.positions);
    }
    await Promise.all(pushes);
    const [last] = (await push(service, "room", "1 last")).positions!;
    await push(service, "room:2", "2 last");
    await until(() => ann.positions["room"]?.[1] === last!.offset && ann.msgs.includes("2 last"));
    note();

    const all = (of: string): string[] => [
      ...numbers(20).flatMap((n) => numbers(30).map((m) => `${of} ${n} ${m}`)),
      `${of} last`,
    ];
    t.deepEqual(received.room, all("1"));
    t.deepEqual(received["room:2"], all("2"));
    t.deepEqual(ann.gaps, []);
  });

  test(`${store}: where messages are not kept any more it is told of the gap, and goes on after it`, async (t) => {
    const cluster = createCluster();
    const service = await startService(t, cluster());
    const { connect } = await startWebSocketFrontend(t, cluster(), "s1");
    for (const name of ["room", "few", "room:2"]) await service.add(name, "ann", "s1");
    const reports = await pushAll(service, "few", numbers(6));
    const [{ positions: inRoom }] = (await pushAll(service, "room", [1])) as [PushReport];
    const [trimmed, end] = [reports[0]!, reports[5]!].map(({ positions }) => tuple(positions![0]!));

    const ann = await connect("ann", { few: trimmed!, room: ["0123abcd", 7], "room:2": ["0123abcd", 0] });
    await until(() => ann.gaps.length === 3);

    t.deepEqual(ann.gaps.toSorted(), ["few", "room", "room:2"]);
    t.deepEqual(ann.positions["few"], end);
    t.deepEqual(ann.positions["room"], tuple(inRoom![0]!));
    t.is(ann.positions["room:2"]![1], 0);
    t.deepEqual(ann.msgs, []);
    await pushAll(service, ["few", "room", "room:2"], ["then"]);
    await until(() => ann.msgs.length === 1);
    t.is(ann.gaps.length, 3);
  });

  test(`${store}: a message to several channels is got once, live and when it was missed`, async (t) => {
    const cluster = createCluster();
    const service = await startService(t, cluster());
    const { connect } = await startWebSocketFrontend(t, cluster(), "s1");
    const names = ["room:1", "room:2", "room:3", "hall"];
    for (const name of names) await service.add(name, "ann", "s1");

    let ann = await connect("ann");
    await until(() => Object.keys(ann.positions).length === 3);
    await pushAll(service, names, [1, 2]);
    await until(() => ann.msgs.length === 2);
    await ann.close();
    await pushAll(service, names, [3, 4]);
    await push(service, "room:2", "alone");
    ann = await connect("ann", ann.positions);
    await until(() => ann.positions["room:2"]![1] === 5 && ann.positions["room:3"]![1] === 4);
    await pushAll(service, names, [5]);
    await until(() => ann.msgs.length >= 4);

    t.deepEqual(
      ann.msgs.filter((msg) => msg !== "alone"),
      [3, 4, 5],
    );
    t.is(ann.msgs.filter((msg) => msg === "alone").length, 1);
    await ann.close();
    const again = await connect("ann", ann.positions);
    await push(service, names, "sentinel");
    await until(() => again.msgs.length > 0);
    t.deepEqual(again.msgs, ["sentinel"]);
  });
}

test("clients that keep nothing in mind get plain messages", async (t) => {
  const { service, connectRaw } = await start(t);
  const ann = await connectRaw("ann");
  await pushAll(service, "room", [1, 2]);
  await push(service, ["room", "few"], 3);
  await until(() => ann.frames.length === 3);
  t.deepEqual(
    ann.frames,
    [1, 2, 3].map((msg) => ({ route: "chat", msg })),
  );
});

test("where the cluster has no history, positions are of no use, and do no harm", async (t) => {
  const { history: _none, ...cluster } = memory();
  const service = await startService(t, cluster);
  const { connect } = await startWebSocketFrontend(t, cluster, "s1");
  await service.add("room", "ann", "s1");
  const ann = await connect("ann", { room: ["0123abcd", 7] });
  t.like(await push(service, "room", 1), { delivered: 1 });
  await until(() => ann.frames.length === 1);
  t.deepEqual(ann.frames, [{ route: "chat", msg: 1 }]);
});

const BAD: readonly (readonly [resume: string, says: RegExp])[] = [
  ["", /resume is "".*JSON/],
  ["x", /resume is "x".*JSON/],
  ["{", /JSON/],
  ["null", /resume is null.*object/],
  ["[]", /resume is an array of 0.*object/],
  ["7", /resume is 7.*object/],
  ['"room"', /resume is "room".*object/],
  ['{"room": 7}', /resume\["room"\]/],
  ['{"room": null}', /resume\["room"\]/],
  ['{"room": {"epoch": "a", "offset": 1}}', /resume\["room"\]/],
  ['{"room": []}', /resume\["room"\]\[0\] is undefined/],
  ['{"room": ["", 1]}', /resume\["room"\]\[0\] is ""/],
  ['{"room": [7, 1]}', /resume\["room"\]\[0\] is 7/],
  [`{"room": ["${"x".repeat(1025)}", 1]}`, /resume\["room"\]\[0\]/],
  ['{"room": ["a"]}', /resume\["room"\]\[1\] is undefined/],
  ['{"room": ["a", -1]}', /resume\["room"\]\[1\] is -1/],
  ['{"room": ["a", 1.5]}', /resume\["room"\]\[1\] is 1\.5/],
  ['{"room": ["a", "1"]}', /resume\["room"\]\[1\] is "1"/],
  ['{"room": ["a", 9007199254740992]}', /resume\["room"\]\[1\] is 9007199254740992/],
  ['{"room": ["a", 1e999]}', /resume\["room"\]\[1\] is Infinity/],
  ['{"": ["a", 1]}', /resume is ""/],
  ['{"ok": ["a", 1], "room": ["a", null]}', /resume\["room"\]\[1\] is null/],
  [JSON.stringify(Object.fromEntries(numbers(1001).map((n) => [n, ["a", 1]]))), /1000 channels at most/],
  [`{"${"日".repeat(300)}": 7}`, /./],
  ["x".repeat(12_000), /JSON/],
];

test("who gives what are no positions is closed with 4400, and told why", async (t) => {
  // Some of it takes more than the 16 KiB that a server takes of headers by itself.
  const http = createServer({ maxHeaderSize: 100_000 }).listen(0, "127.0.0.1");
  await once(http, "listening");
  t.teardown(() => http.close());
  const { connector, connectRaw, frontend, service } = await start(t, { server: http });
  const errors = errorsOf(t, frontend);
  for (const [index, [resume, says]] of BAD.entries()) {
    const client = await connectRaw("bad", resume);
    const { code, reason } = await client.closed;
    t.is(code, 4400, resume);
    t.regex(reason, says, resume.slice(0, 50));
    t.is(connector.stats.rejected, index + 1);
  }
  t.deepEqual(await service.getSids("bad"), []);
  t.is(connector.stats.sessions, 0);
  t.deepEqual(errors, []);
});
