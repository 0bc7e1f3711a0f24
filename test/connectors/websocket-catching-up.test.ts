import test, { type ExecutionContext } from "ava";
import * as fc from "fast-check";
import { GlobalChannelError, type GlobalChannelService, memory, type PushReport } from "../../src/index.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { errorsOf, replacing } from "../support/stage.js";
import { totals } from "../support/two-frontends.js";
import { gated, KEPT, startService, startWebSocketFrontend, tuple } from "./history-support.js";
import { until } from "./websocket-support.js";

// Whose messages a session over WebSocket gets, and what happens while it is being read what it has missed.

const history = { "room*": KEPT, few: { size: 3, ttlMs: 60_000 } };

function push(service: GlobalChannelService, name: string | string[], msg: unknown, options = {}): Promise<PushReport> {
  return service.pushMessage("connector", "chat", msg, name, options);
}

/** A frontend in memory, and ann as a member of `room` there. */
async function start(t: ExecutionContext, options: Parameters<typeof startWebSocketFrontend>[3] = {}) {
  const gate = gated(memory({ history }));
  const service = await startService(t, gate.cluster);
  const started = await startWebSocketFrontend(t, gate.cluster, "s1", options);
  await service.add("room", "ann", "s1");
  return { service, gate, ...started };
}

/** Where a push is in the history of its channel. */
async function positionOf(report: Promise<PushReport>): Promise<[string, number]> {
  return tuple((await report).positions![0]!);
}

test("the sessions of a user are each where they are", async (t) => {
  const { service, connect } = await start(t);
  const positions: [string, number][] = [];
  for (const n of numbers(6)) positions.push(await positionOf(push(service, "room", n)));

  const sessions = await Promise.all([2, 6, 4].map((n) => connect("ann", { room: positions[n - 1]! })));
  const fresh = await connect("ann");
  await until(() => fresh.positions["room"] !== undefined);
  const report = await push(service, "room", 7);
  await until(() => [...sessions, fresh].every(({ msgs }) => msgs.includes(7)));

  t.deepEqual(
    sessions.map(({ msgs }) => msgs),
    [[3, 4, 5, 6, 7], [7], [5, 6, 7]],
  );
  t.deepEqual(fresh.msgs, [7]);
  t.deepEqual(totals(report), [1, 1, 0, 0, 0]);
});

test("who becomes a member later goes on where it was", async (t) => {
  const { service, connect } = await start(t);
  const position = await positionOf(push(service, "room", 1));
  const bob = await connect("bob", { room: position });
  await push(service, "room", 2);
  t.deepEqual(bob.frames, []);

  await service.add("room", "bob", "s1");
  await until(() => bob.msgs.length === 1);
  await push(service, "room", 3);
  await until(() => bob.msgs.length === 2);

  t.deepEqual(bob.msgs, [2, 3]);
});

test("who leaves and joins again gets what came between, but not before it is a member again", async (t) => {
  const { service, connect } = await start(t);
  await service.add("room:2", "ann", "s1");
  const ann = await connect("ann");
  await until(() => Object.keys(ann.positions).length === 2);
  await push(service, "room", 1);
  await service.leave("room", "ann", "s1");
  await push(service, "room", 2);
  await push(service, "room:2", "sentinel");
  await until(() => ann.msgs.includes("sentinel"));
  t.deepEqual(ann.msgs, [1, "sentinel"]);

  await service.add("room", "ann", "s1");
  await push(service, "room", 3);
  await until(() => ann.msgs.length === 4);

  t.deepEqual(ann.msgs, [1, "sentinel", 2, 3]);
});

test("who is no member gets nothing, whatever positions it gives", async (t) => {
  const { service, gate, connect } = await start(t);
  const [epoch] = await positionOf(push(service, "room", "secret"));
  await push(service, "few", "secret");

  const eve = await connect("eve", { room: [epoch, 0], few: ["0123abcd", 0], "room:none": ["0123abcd", 1] });
  await push(service, "room", "secret");
  await service.add("room:2", "eve", "s1");
  await until(() => eve.frames.length === 1);
  await push(service, "room:2", "sentinel");
  await until(() => eve.msgs.length === 1);

  t.deepEqual(Object.keys(eve.frames[0]!.positions!), ["room:2"]);
  t.deepEqual(eve.msgs, ["sentinel"]);
  t.is(gate.reads, 0);
});

test("of a push to several channels who is in one of them is told its place in that alone, and reads no other", async (t) => {
  const { service, connect } = await start(t);
  for (const name of ["hall", "room:2"]) await service.add(name, "bob", "s1");
  const [ann, bob] = [await connect("ann"), await connect("bob")];
  await until(() => "room" in ann.positions && "room:2" in bob.positions);

  // Of these channels `hall` keeps nothing.
  await push(service, ["room", "hall"], 1);
  await push(service, "room", "of the room");
  await push(service, ["room", "hall"], 2);
  await push(service, ["hall", "room:2", "room"], 3);
  await until(() => bob.msgs.length >= 3 && ann.msgs.length >= 4);
  await push(service, "room:2", "sentinel");
  await until(() => bob.msgs.includes("sentinel"));

  t.deepEqual(bob.msgs, [1, 2, 3, "sentinel"]);
  t.deepEqual(Object.keys(bob.positions), ["room:2"]);
  t.deepEqual(ann.msgs, [1, "of the room", 2, 3]);
  t.deepEqual(Object.keys(ann.positions), ["room"]);
});

test("a push to several channels comes once to who joins the others of them later", async (t) => {
  const { service, connect } = await start(t);
  const position = await positionOf(push(service, "room:2", "before"));
  const ann = await connect("ann", { "room:2": position });
  await until(() => "room" in ann.positions);
  await push(service, ["room", "room:2"], 1);
  await until(() => ann.msgs.length === 1);

  await service.add("room:2", "ann", "s1");
  await until(() => ann.positions["room:2"]![1] === 2);
  await push(service, ["room", "room:2"], 2);
  await until(() => ann.msgs.includes(2));

  t.deepEqual(ann.msgs, [1, 2]);
});

test("what is kept because the push says so is caught up, too", async (t) => {
  const { service, connect } = await start(t);
  await service.add("hall", "ann", "s1");
  const ofPush = { history: KEPT };
  let ann = await connect("ann");
  await push(service, "hall", 1, ofPush);
  await push(service, "hall", "not kept");
  await until(() => ann.msgs.length === 2);
  await ann.close();
  await push(service, "hall", 2, ofPush);
  await push(service, "hall", "not kept, and missed");
  ann = await connect("ann", ann.positions);
  await until(() => ann.msgs.length === 1);
  await push(service, "hall", 3, ofPush);
  await until(() => ann.msgs.length === 2);
  t.deepEqual(ann.msgs, [2, 3]);
});

test("who is left out of a push does not catch it up, and misses nothing else", async (t) => {
  const { service, connect } = await start(t);
  const position = await positionOf(push(service, "room", 0));
  await push(service, "room", 1, { except: ["ann"] });
  await push(service, "room", 2);
  await service.pushMessage("gate", "chat", "of another type", "room");
  const ann = await connect("ann", { room: position });
  await until(() => ann.msgs.length === 1);
  await push(service, "room", 3, { except: ["ann"] });
  await push(service, "room", 4);
  await until(() => ann.msgs.length === 2);
  t.deepEqual(ann.msgs, [2, 4]);
});

test("what comes while it catches up is held, in its order, and reported as unknown", async (t) => {
  const { service, gate, connect } = await start(t);
  const position = await positionOf(push(service, "room", 0));
  for (const n of numbers(3)) await push(service, "room", n);

  const open = gate.hold();
  const ann = await connect("ann", { room: position });
  await until(() => gate.reads === 1);
  const reports = [await push(service, "room", 4), await push(service, "room", 5)];
  // One that is there already gets it at once: then the user has it.
  const other = await connect("ann");
  reports.push(await push(service, "room", 6));
  const toAll = await service.broadcast("connector", "news", "to all");
  open();
  await until(() => ann.msgs.length === 7);

  t.deepEqual(totals(reports[0]!), [1, 0, 0, 1, 0]);
  t.deepEqual(reports[0]!.failIds, ["ann"]);
  t.deepEqual(totals(reports[1]!), [1, 0, 0, 1, 0]);
  t.deepEqual(totals(reports[2]!), [1, 1, 0, 0, 0]);
  t.like(toAll, { delivered: 1 });
  t.deepEqual(ann.msgs, ["to all", 1, 2, 3, 4, 5, 6]);
  await until(() => other.msgs.includes(6));
  t.true(await service.isMember("room", "ann"));
});

test.serial("more than can be held is read, too", async (t) => {
  const { service, gate, connect } = await start(t);
  const position = await positionOf(push(service, "room", 0));
  const open = gate.hold();
  const ann = await connect("ann", { room: position });
  await until(() => gate.reads === 1);
  await Promise.all(numbers(700).map((n) => push(service, "room", n)));
  open();
  await until(() => ann.msgs.length === 700);
  await push(service, "room", 701);
  await until(() => ann.msgs.length === 701);
  t.deepEqual(ann.msgs, numbers(701));
});

test.serial("a client that is slow while it catches up is not closed for that, and misses nothing", async (t) => {
  const { service, connector, connect } = await start(t, { maxBufferedBytes: 10_000 });
  const position = await positionOf(push(service, "room", 0));
  const text = "x".repeat(60_000);
  for (const n of numbers(300)) await push(service, "room", [n, text]);

  const ann = await connect("ann", { room: position });
  ann.ws.pause();
  for (const n of numbers(20)) {
    await push(service, "room", [300 + n, text]);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  ann.ws.resume();
  await until(() => ann.msgs.length === 320);
  await until(() => connector.stats.sessions === 1);

  t.deepEqual(
    ann.msgs.map((msg) => (msg as [number])[0]),
    numbers(320),
  );
  t.is(connector.stats.slowClosed, 0);
});

test.serial("what is read of large messages is a part at a time", async (t) => {
  const { service, gate } = await start(t);
  const position = await positionOf(push(service, "room", 0));
  for (const n of numbers(20)) await push(service, "room", [n, "x".repeat(500_000)]);
  const [epoch, offset] = position;
  const { entries } = await gate.cluster.history.read("room", { after: offset, limit: 100, reverse: false });
  const newest = await gate.cluster.history.read("room", { after: offset, limit: 100, reverse: true });
  t.true(entries.length >= 2 && entries.length <= 4, String(entries.length));
  t.is(newest.entries.length, entries.length);
  t.is(newest.entries[0]!.offset, 21);
  const recovered = await service.recover("room", { epoch, offset });
  t.is(recovered.messages.length, 20);
});

test("while the store is away it is tried again, and told; then nothing is missing", async (t) => {
  const { service, gate, frontend, connect } = await start(t);
  const errors = errorsOf(t, frontend);
  const position = await positionOf(push(service, "room", 0));
  await push(service, "room", 1);
  const failure = new GlobalChannelError("GC_STORE_UNAVAILABLE", "away", { temporary: true });
  gate.fail(failure);
  const ann = await connect("ann", { room: position });
  await until(() => errors.length >= 2);
  await push(service, "room", 2);
  gate.fail(undefined);
  await until(() => ann.msgs.length === 2);
  t.deepEqual(ann.msgs, [1, 2]);
  t.true(errors.every((error) => error === failure));
});

test("one that goes while it catches up ends that", async (t) => {
  const { service, gate, connector, connect } = await start(t);
  const position = await positionOf(push(service, "room", 0));
  await push(service, "room", 1);
  gate.fail(new Error("away"));
  const ann = await connect("ann", { room: position });
  await until(() => gate.reads > 0);
  await ann.close();
  await until(() => connector.stats.sessions === 0);
  await new Promise((resolve) => setTimeout(resolve, 100));
  const { reads } = gate;
  await new Promise((resolve) => setTimeout(resolve, 300));
  t.is(gate.reads, reads);
});

test("where pushes name uids, clients go on where they were, too", async (t) => {
  const cluster = memory({ history });
  const transport = replacing(cluster.transport, { limits: { uidsOnly: true } });
  const service = await startService(t, { ...cluster, transport });
  const { connect } = await startWebSocketFrontend(t, cluster, "s1");
  for (const name of ["room", "hall"]) await service.add(name, "ann", "s1");
  await service.add("hall", "bob", "s1");
  const bob = await connect("bob");
  let ann = await connect("ann");
  await until(() => "room" in ann.positions);
  await push(service, "room", 1);
  await push(service, ["hall", "room"], 2);
  await until(() => ann.msgs.length === 2);
  await ann.close();
  await push(service, "room", 3);
  ann = await connect("ann", ann.positions);
  await until(() => ann.msgs.length > 0);
  await push(service, "room", 4);
  await until(() => ann.msgs.includes(4) && bob.msgs.length > 0);

  t.deepEqual(ann.msgs, [3, 4]);
  t.deepEqual(bob.frames, [{ route: "chat", msg: 2 }]);
});

test("whatever clients give in resume, they get a session or 4400, and others are not disturbed", async (t) => {
  const { service, connector, frontend, connect, connectRaw } = await start(t);
  const errors = errorsOf(t, frontend);
  const [epoch] = await positionOf(push(service, "room", "missed"));
  await service.add("room", "fuzz", "s1");
  const ann = await connect("ann", { room: [epoch, 1] });
  const position = fc.oneof(
    fc.tuple(fc.constantFrom(epoch, "none", "__proto__", "0123abcd"), fc.nat()),
    fc.tuple(fc.constant(epoch), fc.constantFrom(0, 1, 2, 2 ** 53 - 1)),
    fc.json().map((text) => JSON.parse(text) as unknown),
  );
  const positions = fc
    .array(fc.tuple(fc.oneof(fc.string(), fc.constantFrom("room", "few", "__proto__", "constructor")), position))
    .map((entries) => JSON.stringify(Object.fromEntries(entries)));
  const resume = fc.oneof(positions, positions, fc.string({ unit: "binary", maxLength: 200 }), fc.json());

  await fc.assert(
    fc.asyncProperty(resume, async (text) => {
      const client = await connectRaw("fuzz", text.isWellFormed() ? text : JSON.stringify(text));
      const isOpen = until(() => connector.stats.users === 2, 2000).then(() => ({ code: 0 }));
      const { code } = await Promise.race([client.closed, isOpen]);
      isOpen.catch(() => {});
      client.ws.close();
      await client.closed;
      await until(() => connector.stats.sessions === 1);
      return code === 0 || code === 4400;
    }),
    { numRuns: 300 },
  );

  await push(service, "room", "then");
  await until(() => ann.msgs.length === 1);
  t.deepEqual(errors, []);
  await eventually(async () => (await service.getSids("fuzz")).length === 0, 3000);
});
