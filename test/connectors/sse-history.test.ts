import { once } from "node:events";
import test from "ava";
import * as fc from "fast-check";
import { EventSource } from "eventsource";
import { checkNumbers, type Client, lose, NOBODY, type Started, startConnector } from "./sse-support.js";
import { message, until } from "./websocket-support.js";

const GAP = { route: "gap", msg: { missed: null } };

/** Pushes each of these numbers to a user. */
function push({ connector }: Started, uid: string, numbers: readonly number[]): void {
  for (const n of numbers) connector.deliver(new Set([uid]), message("chat", n));
}

// Ids

test("ids › are of the session, and count its events from its beginning on, which has an id, too", async (t) => {
  const started = await startConnector(t, { history: {} });
  const [ann, bob] = [await started.connectClient("ann"), await started.connectClient("bob")];

  push(started, "ann", [1, 2]);
  push(started, "bob", [1]);
  const begin = ann.lastEventId!;
  await until(() => ann.events.length === 2 && bob.events.length === 1);

  const session = begin.split(".")[0]!;
  t.regex(session, /^[\w-]{22}$/);
  t.is(begin, `${session}.0`);
  t.deepEqual(
    ann.events.map(({ id }) => id),
    [`${session}.1`, `${session}.2`],
  );
  t.false(bob.lastEventId!.startsWith(session));
});

test("ids › are not there without a history, and a Last-Event-ID says nothing then", async (t) => {
  const started = await startConnector(t);
  const client = await started.connectClient("ann", { lastEventId: `${"x".repeat(22)}.1` });

  push(started, "ann", [1]);
  await until(() => client.events.length === 1);

  t.deepEqual(client.msgs, [1]);
  t.is(client.events[0]!.id, undefined);
});

// Coming back

test("a client that comes back › gets what it has missed, in order, once, and then what comes", async (t) => {
  const started = await startConnector(t, { history: {} });
  const { connector, host, connectClient, comeBack } = started;
  const client = await connectClient("ann");
  push(started, "ann", [0, 1]);
  await until(() => client.events.length === 2);

  await lose(started, client);
  push(started, "ann", [2, 3]);
  const back = await comeBack("ann", client);
  push(started, "ann", [4]);
  await until(() => back.events.length === 3);

  t.deepEqual(back.msgs, [2, 3, 4]);
  t.deepEqual(host.events, ["opened ann"]);
  t.like(connector.stats, { sessions: 1, kept: 0 });
});

test("a client that comes back › may have been cut off before its first event", async (t) => {
  const started = await startConnector(t, { history: {} });
  const client = await started.connectClient("ann");

  await lose(started, client);
  push(started, "ann", [0, 1]);
  const back = await started.comeBack("ann", client);
  await until(() => back.events.length === 2);

  t.deepEqual(back.msgs, [0, 1]);
});

test("a client that comes back › from an older event gets all after it again", async (t) => {
  const started = await startConnector(t, { history: {} });
  const client = await started.connectClient("ann");
  push(started, "ann", [0, 1, 2, 3]);
  await until(() => client.events.length === 4);

  const back = await started.connectClient("ann", { lastEventId: client.events[1]!.id });
  await until(() => back.events.length === 2);

  t.deepEqual(back.msgs, [2, 3]);
});

test("a client that comes back › before its connection is known to be lost gets that cut, and goes on with the same session", async (t) => {
  const started = await startConnector(t, { history: {} });
  const { connector, host, responses, connectClient, comeBack } = started;
  const client = await connectClient("ann");
  push(started, "ann", [0]);
  await until(() => client.events.length === 1);

  const back = await comeBack("ann", client);
  push(started, "ann", [1]);
  await until(() => back.events.length === 1);
  await client.closed;

  t.true(responses[0]!.destroyed);
  t.deepEqual([client.msgs, back.msgs], [[0], [1]]);
  t.deepEqual(host.events, ["opened ann"]);
  t.deepEqual(connector.stats, { sessions: 1, kept: 0, users: 1, slowClosed: 0 });
});

test("a client that comes back › and has gone meanwhile leaves its session kept", async (t) => {
  let isLate = false;
  const late: (() => void)[] = [];
  const started = await startConnector(t, { history: {} }, (request, response, sse) => {
    const handle = () => sse.handle(request, response, "ann");
    if (isLate) late.push(handle);
    else handle();
  });
  const { connector, host, responses, connectClient, openClient, comeBack } = started;
  const client = await connectClient("ann");

  await lose(started, client);
  isLate = true;
  const impatient = openClient("ann", { lastEventId: client.lastEventId });
  await until(() => late.length === 1);
  impatient.cut();
  await once(responses[1]!, "close");
  late[0]!();
  await until(() => connector.stats.kept === 1);
  push(started, "ann", [0]);
  isLate = false;
  const back = await comeBack("ann", client);

  await until(() => back.events.length === 1);
  t.deepEqual(back.msgs, [0]);
  t.deepEqual(host.events, ["opened ann"]);
});

// Kept users

test("a kept user › is unknown in the reports of pushes, unless another session of it takes them", async (t) => {
  const started = await startConnector(t, { history: {} });
  const { connector, connectClient } = started;
  const [ann, bob] = [await connectClient("ann"), await connectClient("bob")];
  await connectClient("bob");
  await connectClient("eve");

  await lose(started, ann);
  await lose(started, bob);

  const all = ["ann", "bob", "eve", "nobody"];
  t.deepEqual(connector.deliver(new Set(all), message("chat", 1)), { failed: ["nobody"], unknown: ["ann"] });
  t.deepEqual(connector.deliver(new Set(["bob", "eve"]), message("chat", 2)), []);
  t.deepEqual(connector.deliverToAll(message("chat", 3), NOBODY), { delivered: 2, unknown: ["ann"] });
  t.is(connector.deliverToAll(message("chat", 4), new Set(["ann"])), 2);
});

test("a kept user › is kept for ttlMs, and its session is closed then, of which the host is told once", async (t) => {
  const ttlMs = 200;
  const started = await startConnector(t, { history: { ttlMs } });
  const { connector, host, connectClient, comeBack } = started;
  const client = await connectClient("ann");

  await lose(started, client);
  const lostAt = Date.now();
  t.deepEqual(host.events, ["opened ann"]);
  await until(() => host.events.length === 2);
  // The timer began a moment before its loss was seen.
  t.true(Date.now() - lostAt >= ttlMs - 50);

  t.deepEqual(host.events, ["opened ann", "closed ann"]);
  t.deepEqual(connector.stats, { sessions: 0, kept: 0, users: 0, slowClosed: 0 });
  t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", 1)), ["ann"]);
  const back = await comeBack("ann", client);
  await until(() => back.events.length === 1);
  t.deepEqual(back.received, [GAP]);
});

test("a kept user › that is back in time stays, and has the whole ttlMs again", async (t) => {
  const ttlMs = 1500;
  const started = await startConnector(t, { history: { ttlMs }, heartbeatMs: 50 });
  const { host, connectClient, comeBack } = started;
  let client = await connectClient("ann");

  for (let round = 0; round < 3; round++) {
    await lose(started, client);
    client = await comeBack("ann", client);
    const { comments } = client;
    await until(() => client.comments >= comments + (2 * ttlMs) / 3 / 50);
  }

  t.deepEqual(host.events, ["opened ann"]);
});

// What is not kept

test("a history › keeps its last `size` events, and says how many it has not", async (t) => {
  const started = await startConnector(t, { history: { size: 3 } });
  const client = await started.connectClient("ann");
  push(started, "ann", [0]);
  await until(() => client.events.length === 1);

  await lose(started, client);
  push(started, "ann", [1, 2, 3]);
  const complete = await started.comeBack("ann", client);
  await until(() => complete.events.length === 3);
  await lose(started, complete);
  push(started, "ann", [4]);
  const incomplete = await started.comeBack("ann", client);
  await until(() => incomplete.events.length === 4);

  t.deepEqual(complete.msgs, [1, 2, 3]);
  t.deepEqual(incomplete.received, [
    { route: "gap", msg: { missed: 1 } },
    ...[2, 3, 4].map((msg) => ({ route: "chat", msg })),
  ]);
});

test("a history › keeps no more than maxBufferedBytes, but always the last event", async (t) => {
  const started = await startConnector(t, { history: {}, maxBufferedBytes: 1000 });
  const { connector, connectClient, comeBack } = started;
  const client = await connectClient("ann");
  const texts = ["a", "b", "c"].map((letter) => letter.repeat(400));
  const huge = "d".repeat(5000);

  await lose(started, client);
  for (const text of texts) connector.deliver(new Set(["ann"]), message("chat", text));
  const back = await comeBack("ann", client);
  await until(() => back.events.length === 3);
  await lose(started, back);
  connector.deliver(new Set(["ann"]), message("chat", huge));
  const again = await comeBack("ann", client);
  await until(() => again.events.length === 2);

  t.deepEqual(back.msgs, [{ missed: 1 }, texts[1], texts[2]]);
  t.deepEqual(again.msgs, [{ missed: 3 }, huge]);
});

test("a gap › is told once, and followed by what is kept, where the client is cut off right after it", async (t) => {
  const started = await startConnector(t, { history: { size: 2 } });
  const client = await started.connectClient("ann");
  await lose(started, client);
  push(started, "ann", [0, 1, 2, 3]);
  const back = await started.comeBack("ann", client);
  await until(() => back.events.length === 3);

  const again = await started.connectClient("ann", { lastEventId: back.events[0]!.id });
  await until(() => again.events.length === 2);

  t.deepEqual(back.msgs, [{ missed: 2 }, 2, 3]);
  t.deepEqual(again.msgs, [2, 3]);
});

for (const [title, lastEventId] of [
  ["that is of another server", `${"x".repeat(22)}.7`],
  ["that is none of ours", "42"],
  ["that is not even an id", "x".repeat(3000)],
] as const) {
  test(`a Last-Event-ID › ${title} gives a session of its own, and a gap of unknown size first`, async (t) => {
    const started = await startConnector(t, { history: {} });
    await started.connectClient("ann");

    const client = await started.connectClient("ann", { lastEventId });
    push(started, "ann", [0]);
    await until(() => client.events.length === 2);
    const back = await started.connectClient("ann", { lastEventId: client.events[0]!.id });
    await until(() => back.events.length === 1);

    t.deepEqual(client.received, [GAP, { route: "chat", msg: 0 }]);
    t.deepEqual(back.msgs, [0], "the gap has the id of its session");
    t.deepEqual(started.host.events, ["opened ann", "opened ann"]);
  });
}

test("a Last-Event-ID › of another user's session gives a session of its own, and leaves that one alone", async (t) => {
  const started = await startConnector(t, { history: {} });
  const { host, connectClient, comeBack } = started;
  const ann = await connectClient("ann");
  push(started, "ann", [0]);
  await until(() => ann.events.length === 1);

  const eve = await connectClient("eve", { lastEventId: `${ann.lastEventId!.split(".")[0]}.0` });
  push(started, "ann", [1]);
  push(started, "eve", [2]);
  await until(() => eve.events.length === 2 && ann.events.length === 2);

  t.deepEqual(eve.received, [GAP, { route: "chat", msg: 2 }]);
  t.deepEqual(ann.msgs, [0, 1]);
  t.deepEqual(host.events, ["opened ann", "opened eve"]);
  await lose(started, ann);
  await comeBack("eve", ann);
  t.is(started.connector.stats.kept, 1);
});

test("a Last-Event-ID › that is still to come gives what comes from now on", async (t) => {
  const started = await startConnector(t, { history: {} });
  const client = await started.connectClient("ann");

  const ahead = await started.connectClient("ann", { lastEventId: client.lastEventId!.replace(/\.0$/, ".999999") });
  push(started, "ann", [0]);
  await until(() => ahead.events.length === 1);

  t.deepEqual(ahead.msgs, [0]);
});

// Any course of events

type Step = { push: number } | "cut" | "come back" | "wait";

const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ push: fc.nat(8) }) },
    { weight: 2, arbitrary: fc.constant<Step>("cut") },
    { weight: 2, arbitrary: fc.constant<Step>("come back") },
    { weight: 2, arbitrary: fc.constant<Step>("wait") },
  ),
  { maxLength: 40 },
);

test("a client that comes back › again and again has got everything once, or been told how much it has not", async (t) => {
  const started = await startConnector(t, { history: { size: 10 } });
  const { connector, host, connectClient, openClient } = started;
  let users = 0;
  let gaps = 0;

  await fc.assert(
    fc.asyncProperty(steps, async (course) => {
      const uid = `user-${users++}`;
      let client = await connectClient(uid);
      /** Of all its connections. */
      const events: Client["events"] = [];
      let pushed = 0;
      const comeBack = () => {
        client.cut();
        events.push(...client.events);
        client = openClient(uid, { lastEventId: client.lastEventId });
      };

      for (const step of course) {
        if (step === "cut") client.cut();
        else if (step === "come back") comeBack();
        else if (step === "wait") await new Promise(setImmediate);
        else for (let i = 0; i < step.push; i++) push(started, uid, [pushed++]);
      }
      comeBack();
      push(started, uid, [pushed++]);
      await until(() => client.msgs.at(-1) === pushed - 1);

      events.push(...client.events);
      const all = events.map(({ event, data }) => ({ route: event, msg: JSON.parse(data) as unknown }));
      gaps += all.filter(({ route }) => route === "gap").length;
      t.is(checkNumbers(t, { received: all }), pushed);
      connector.disconnectUsers(new Set([uid]));
      await client.closed;
    }),
    { numRuns: 150 },
  );

  t.true(gaps > 0);
  t.is(host.events.length, 2 * users);
});

test("a client that comes back › by itself, as an EventSource does, misses nothing when its connection is cut", async (t) => {
  const started = await startConnector(t, { history: {}, retryMs: 5 });
  const { connector, host, http, url, responses } = started;
  const source = new EventSource(`${url}/?uid=ann`);
  t.teardown(() => source.close());
  const got: number[] = [];
  source.addEventListener("chat", (event) => got.push(Number(event.data)));
  const gaps: unknown[] = [];
  source.addEventListener("gap", (event) => gaps.push(event.data));
  await once(source, "open");
  const sent = Array.from({ length: 60 }, (_, i) => i);

  for (const n of sent) {
    push(started, "ann", [n]);
    if (n % 10 === 0) await until(() => got.includes(n));
    if (n % 10 === 5) http.closeAllConnections();
    if (n % 3 === 0) await new Promise(setImmediate);
  }
  await until(() => got.includes(sent.at(-1)!));

  t.deepEqual(got, sent);
  t.deepEqual(gaps, []);
  t.true(responses.length > 3, `${responses.length} connections`);
  t.deepEqual(host.events, ["opened ann"]);
  source.close();
  await until(() => connector.stats.kept === 1);
});
