import test from "ava";
import { memory } from "../../../src/index.js";
import { until } from "../../connectors/websocket-support.js";
import {
  KOA_VERSIONS,
  openPeer,
  openSwarm,
  Peer,
  startApp,
  untilAllHaveHeard,
  untilNothingIsLeft,
  type App,
} from "./support.js";

// Peers whose connection is lost, and who come back.

/** Long enough to come back in. */
const LONG = { size: 50, ttlMs: 60_000 };

/** What a client says that comes back. */
function lastEventOf({ events }: Peer): { "Last-Event-ID": string } {
  return { "Last-Event-ID": events.at(-1)!.id! };
}

/** The connection of a peer is lost. */
async function lose(app: App, peer: Peer): Promise<void> {
  const { kept } = app.serve.connector.stats;
  peer.close();
  await until(() => app.serve.connector.stats.kept === kept + 1);
}

for (const [version, koa] of Object.entries(KOA_VERSIONS)) {
  test(`${version}: a peer that comes back is the same one, and gets what it has missed once, in order`, async (t) => {
    const app = await startApp(t, { sse: { history: LONG } }, { koa });
    const [ann, bob] = await openSwarm(t, app.url);
    t.is(await ann.post("before"), 200);
    await until(() => bob!.signals.length === 1);
    await lose(app, bob!);
    for (const data of [1, 2, 3]) t.is(await ann.post(data), 200);
    t.is(await ann.post("for bob", bob!.cid), 200);
    // Who is away may post.
    t.is(await bob!.post("from bob"), 200);

    const back = await Peer.open(t, app.url, { id: ann.id, headers: lastEventOf(bob!) });
    t.is(back.status, 200);
    t.is(await bob!.post("later", bob!.cid), 200);
    await until(() => back.events.length === 6);

    t.deepEqual(back.signals, [1, 2, 3, "for bob", "from bob", "later"]);
    t.deepEqual(
      ann.names.filter((name) => name !== "signal"),
      ["connect", "join"],
    );
    t.is(app.serve.connector.stats.sessions, 2);
    back.close();
    await until(() => app.serve.connector.stats.kept === 1);
    t.deepEqual(ann.messages("leave"), []);
  });

  test(`${version}: an initiator that comes back goes on with its swarm, and misses no join or leave`, async (t) => {
    const app = await startApp(t, { sse: { history: LONG } }, { koa });
    const [ann, bob] = await openSwarm(t, app.url);
    await lose(app, ann);
    const cat = await openPeer(t, app.url, { id: ann.id });
    t.is(await cat.post("hello"), 200);

    const back = await Peer.open(t, app.url, { headers: lastEventOf(ann) });
    t.is(back.status, 200);
    await until(() => back.events.length === 2);
    t.deepEqual(back.names, ["join", "signal"]);
    t.deepEqual(back.messages("join"), [{ id: ann.id, cid: cat.cid }]);
    t.is(await ann.post("from ann"), 200);
    await until(() => [back, bob!, cat].every(({ signals }) => signals.at(-1) === "from ann"));
    t.false(bob!.hasEnded);
  });

  test(`${version}: an initiator may come back by its swarm's name, too`, async (t) => {
    const app = await startApp(t, { sse: { history: LONG } }, { koa });
    const [ann, bob] = await openSwarm(t, app.url);
    await lose(app, ann);
    const back = await Peer.open(t, app.url, { id: ann.id, headers: lastEventOf(ann) });
    t.is(await bob!.post("hello"), 200);
    await until(() => back.events.length === 1);
    t.deepEqual(back.signals, ["hello"]);
    t.is(app.serve.connector.stats.sessions, 2);
  });
}

test("who comes back before its connection is known to be lost has the new one alone", async (t) => {
  const app = await startApp(t, { sse: { history: LONG } });
  const [ann, bob] = await openSwarm(t, app.url);
  const back = await Peer.open(t, app.url, { id: ann.id, headers: lastEventOf(bob!) });
  await bob!.ended;
  t.is(await ann.post("hello"), 200);
  await until(() => back.signals.length === 1);
  t.deepEqual(ann.names, ["connect", "join", "signal"]);
  t.is(app.serve.connector.stats.sessions, 2);
});

test("who does not come back in time leaves, and its swarm ends if it was the initiator", async (t) => {
  const app = await startApp(t, { sse: { history: { ttlMs: 300 } } });
  const [ann, bob, cat] = await openSwarm(t, app.url, 2);
  await lose(app, bob!);
  await until(() => ann.messages("leave").length === 1);
  t.deepEqual(ann.messages("leave"), [{ id: ann.id, cid: bob!.cid }]);
  t.is(await bob!.post("a ghost"), 401);

  const late = await openPeer(t, app.url, { id: ann.id, headers: lastEventOf(bob!) });
  t.is(late.names[0], "connect");
  t.not(late.cid, bob!.cid);
  await lose(app, ann);
  await Promise.all([cat!.ended, late.ended]);
  await untilNothingIsLeft(app, [ann.id]);
});

test("a Last-Event-ID of nobody is a new peer's", async (t) => {
  const app = await startApp(t, { sse: { history: LONG } });
  const ann = await openPeer(t, app.url);
  const [history, number] = lastEventOf(ann)["Last-Event-ID"].split(".") as [string, string];
  for (const id of [
    "x",
    "",
    "7",
    `${"A".repeat(22)}.1`,
    `${history}.`,
    `${history}.-1`,
    `${history}${number}`,
    `.${number}`,
  ]) {
    const headers = { "Last-Event-ID": id };
    const bob = await openPeer(t, app.url, { id: ann.id, headers });
    t.is(bob.status, 200);
    t.is(bob.names[0], "connect", id);
    t.is((await openPeer(t, app.url, { headers })).status, 201);
  }
  t.false(ann.hasEnded);
});

test("a Last-Event-ID counts for the swarm alone that it is of, and for GET / as an initiator's", async (t) => {
  const app = await startApp(t, { sse: { history: LONG } });
  const [ann, bob] = await openSwarm(t, app.url);
  const other = await openPeer(t, app.url);
  await lose(app, bob!);

  const stranger = await openPeer(t, app.url, { id: other.id, headers: lastEventOf(bob!) });
  t.is(stranger.names[0], "connect");
  t.is(stranger.id, other.id);
  const opened = await openPeer(t, app.url, { headers: lastEventOf(bob!) });
  t.is(opened.status, 201);
  t.false([ann.id, other.id].includes(opened.id));
  const unknown = await Peer.open(t, app.url, { id: "0".repeat(32), headers: lastEventOf(bob!) });
  t.is(unknown.status, 404);

  const back = await Peer.open(t, app.url, { id: ann.id, headers: lastEventOf(bob!) });
  await untilAllHaveHeard([ann, back]);
  t.deepEqual(back.signals.length, 1);
});

test("who has missed more than is kept is told how much", async (t) => {
  const app = await startApp(t, { sse: { history: { size: 3, ttlMs: 60_000 } } });
  const [ann, bob] = await openSwarm(t, app.url);
  await lose(app, bob!);
  for (let i = 0; i < 10; i++) t.is(await ann.post(i), 200);
  const back = await Peer.open(t, app.url, { id: ann.id, headers: lastEventOf(bob!) });
  await until(() => back.events.length === 4);
  t.deepEqual(
    back.events.map(({ event, data }) => [event, data]),
    [
      ["gap", { missed: 7 }],
      ["signal", 7],
      ["signal", 8],
      ["signal", 9],
    ],
  );
});

test("an initiator that has missed more than is kept is told anew who is there", async (t) => {
  const app = await startApp(t, { sse: { history: { size: 2, ttlMs: 60_000 } } });
  const [ann, bob, cat] = await openSwarm(t, app.url, 2);
  await lose(app, ann);
  const dan = await openPeer(t, app.url, { id: ann.id });
  for (let i = 0; i < 3; i++) t.is(await cat!.post(i), 200);
  const back = await Peer.open(t, app.url, { headers: lastEventOf(ann) });

  await until(() => back.messages("join").length === 3);
  t.is(back.names[0], "gap");
  const present = new Set(back.messages("join").map((data) => (data as { cid: string }).cid));
  t.deepEqual(present, new Set([bob!, cat!, dan].map(({ cid }) => cid)));
});

test("at another process one who comes back is a new peer", async (t) => {
  const options = { cluster: memory(), sse: { history: { ttlMs: 300 } } };
  const [one, two] = [await startApp(t, options), await startApp(t, options)];
  const [ann, bob] = await openSwarm(t, one.url);
  bob!.close();
  const back = await openPeer(t, two.url, { id: ann.id, headers: lastEventOf(bob!) });
  t.is(back.names[0], "connect");
  await until(() => ann.messages("join").length === 2 && ann.messages("leave").length === 1);
});

test("peers that are away are closed by stop(), and by the end of their swarm", async (t) => {
  const cluster = memory();
  const options = { cluster, sse: { history: LONG } };
  const [one, two] = [await startApp(t, options), await startApp(t, options)];
  const [ann, bob] = await openSwarm(t, one.url);
  const cat = await openPeer(t, two.url);
  await lose(one, bob!);
  await one.serve.stop();
  await ann.ended;
  t.is((await Peer.open(t, two.url, { id: ann.id })).status, 404);

  const dan = await openPeer(t, two.url, { id: cat.id });
  await lose(two, dan);
  await lose(two, cat);
  await two.serve.stop();
  t.is(two.serve.connector.stats.sessions, 0);
});
