import { connect } from "node:net";
import test, { type ExecutionContext } from "ava";
import type Koa from "koa";
import { oneAddress } from "../../../src/adapters/koa-signal/address.js";
import { initiatorsFrom, peersFrom, peersOf } from "../../../src/adapters/koa-signal/channels.js";
import { memory } from "../../../src/index.js";
import { eventually } from "../../cluster/cluster.js";
import { TcpClient, until } from "../../connectors/websocket-support.js";
import {
  ADDRESS,
  KOA_VERSIONS,
  openPeer,
  openSwarm,
  Peer,
  send,
  startApp,
  untilAllHaveHeard,
  untilEmpty,
  untilNothingIsLeft,
  type App,
} from "./support.js";

// What bounds peers, and that nothing is left of those who are refused, too slow, or gone at any moment.

const PATIENCE_MS = 20_000;

/** What `GET` is answered with for a client from this address, who goes away again if it is let in. */
async function statusFrom(url: string, address: string): Promise<number> {
  return (await send(url, { headers: { "X-Forwarded-For": address } })).status;
}

/** Tries again until a peer is let in: those before it may not have left yet. */
async function openWhenThereIsRoom(t: ExecutionContext, url: string, id = ""): Promise<Peer> {
  let peer: Peer | undefined;
  await eventually(async () => {
    peer = await Peer.open(t, url, { id });
    return peer.status < 300;
  }, PATIENCE_MS);
  await until(() => peer!.events.length > 0);
  return peer!;
}

for (const [version, koa] of Object.entries(KOA_VERSIONS)) {
  test(`${version}: an address has no more swarms than it may have, in the whole cluster`, async (t) => {
    const cluster = memory();
    const options = { cluster, maxSwarmsPerAddress: 2 };
    const [one, two] = [await startApp(t, options, { koa }), await startApp(t, options, { koa })];
    const [ann, bob] = [await openPeer(t, one.url), await openPeer(t, two.url)];
    for (const { url } of [one, two]) t.is((await send(`${url}/`)).status, 429);
    const cat = await openPeer(t, two.url, { id: ann.id });

    t.is(await one.serve.service.count(initiatorsFrom(ADDRESS)), 2);
    t.is(await one.serve.service.count(peersFrom(ADDRESS)), 3);
    ann.close();
    const dan = await openWhenThereIsRoom(t, two.url);

    for (const peer of [bob, cat, dan]) peer.close();
    for (const app of [one, two]) await untilNothingIsLeft(app, [ann.id, bob.id, dan.id]);
  });

  test(`${version}: an address has no more peers than it may have, in the whole cluster`, async (t) => {
    const cluster = memory();
    const options = { cluster, maxPeersPerAddress: 3 };
    const [one, two] = [await startApp(t, options, { koa }), await startApp(t, options, { koa })];
    const ann = await openPeer(t, one.url);
    const bob = await openPeer(t, two.url, { id: ann.id });
    const cat = await openPeer(t, one.url);
    for (const { url } of [one, two]) {
      t.is((await send(`${url}/${ann.id}`)).status, 429);
      t.is((await send(`${url}/`)).status, 429);
    }

    await eventually(async () => (await one.serve.service.count(peersFrom(ADDRESS))) === 3, PATIENCE_MS);
    t.is(await one.serve.service.count(peersOf(ann.id)), 2);
    t.is(await one.serve.service.count(initiatorsFrom(ADDRESS)), 2);
    t.is(one.serve.connector.stats.sessions + two.serve.connector.stats.sessions, 3);
    bob.close();
    const dan = await openWhenThereIsRoom(t, two.url, ann.id);
    t.is(dan.id, ann.id);
    await untilAllHaveHeard([ann, dan]);

    ann.close();
    await dan.ended;
    cat.close();
    for (const app of [one, two]) await untilNothingIsLeft(app, [ann.id, cat.id]);
  });
}

test("at the limit, many at once are let in up to it at the most", async (t) => {
  const app = await startApp(t, { maxPeersPerAddress: 5 });
  const peers = await Promise.all(Array.from({ length: 30 }, () => Peer.open(t, app.url)));
  // Those that come at the very same moment may all find that there are too many.
  t.true(peers.filter(({ status }) => status === 201).length <= 5);
  t.true(peers.every(({ status }) => status === 201 || status === 429));
  for (const peer of peers) peer.close();
  await untilNothingIsLeft(app);
});

test("each address has its own limit; behind a proxy it is that of X-Forwarded-For, if the application says so", async (t) => {
  const behind = await startApp(t, { maxSwarmsPerAddress: 1 }, { proxy: true });
  const from = (address: string) => Peer.open(t, behind.url, { headers: { "X-Forwarded-For": address } });
  for (const [address, status] of [
    ["10.0.0.1", 201],
    ["10.0.0.1", 429],
    ["::ffff:10.0.0.1", 429],
    ["10.0.0.2", 201],
    ["2001:db8::1", 201],
    ["2001:db8::2:3:4:5", 429],
    ["2001:db8:0:1::1", 201],
  ] as const) {
    t.is((await from(address)).status, status, address);
  }

  const open = await startApp(t, { maxSwarmsPerAddress: 1 });
  await openPeer(t, open.url, { headers: { "X-Forwarded-For": "10.0.0.1" } });
  t.is(await statusFrom(`${open.url}/`, "10.0.0.2"), 429);
});

test("of an X-Forwarded-For the address counts that the application's own proxy says, not what clients say", async (t) => {
  const app = await startApp(t, { maxSwarmsPerAddress: 1 }, { proxy: true, maxIpsCount: 1 });
  await openPeer(t, app.url, { headers: { "X-Forwarded-For": "10.9.9.9, 10.0.0.1" } });

  t.is(await statusFrom(`${app.url}/`, "10.8.8.8, 10.0.0.1"), 429);
  t.is(await statusFrom(`${app.url}/`, "10.9.9.9, 10.0.0.2"), 201);
});

test("an X-Forwarded-For that is no address, of any length, counts as one", async (t) => {
  const { url, errors } = await startApp(t, {}, { proxy: true });
  for (const address of ["unknown", "x".repeat(8000), "::ffff:", "1.2.3.4:567", "constructor", ", ,", "é"]) {
    t.is(await statusFrom(`${url}/`, address), 201, address);
  }
  t.deepEqual(errors, []);
});

test("the application may say what an address is", async (t) => {
  const address = (ctx: Koa.Context) => ctx.get("X-User");
  const { url, errors } = await startApp(t, { maxSwarmsPerAddress: 1, address });
  const from = (user: string) => Peer.open(t, url, { headers: { "X-User": user } });
  t.deepEqual([(await from("ann")).status, (await from("ann")).status, (await from("bob")).status], [201, 429, 201]);
  // What is none is its own fault, and told to it.
  t.is((await Peer.open(t, url)).status, 500);
  t.like(errors.at(-1), { code: "GC_INVALID_ARGUMENT", argument: "address" });
});

test("oneAddress › an IPv6 network of 64 bits is one, IPv4 in IPv6 is IPv4, all else is what it is", (t) => {
  for (const [ip, address] of [
    ["192.0.2.1", "192.0.2.1"],
    ["::ffff:192.0.2.1", "192.0.2.1"],
    ["::FFFF:c000:0201", "192.0.2.1"],
    ["::1", "0:0:0:0::/64"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:0DB8:0001:0002::", "2001:db8:1:2::/64"],
    ["2001:db8:1:3::", "2001:db8:1:3::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["", "unknown"],
    ["x".repeat(5000), "x".repeat(64)],
    ["nonsense", "nonsense"],
  ] as const) {
    t.is(oneAddress(ip), address, ip);
  }
});

test("a peer that does not read is cut off and leaves, while the others get all", async (t) => {
  const app = await startApp(t, { sse: { maxBufferedBytes: 20_000 }, limit: "1mb" });
  const [ann, bob, slow] = await openSwarm(t, app.url, 2);
  slow!.pause();
  let sent = 0;
  while (ann.messages("leave").length === 0) {
    t.is(await ann.post(`${sent++} ${"x".repeat(300_000)}`), 200);
    if (sent > 200) throw new Error("it is never cut off");
  }
  await until(() => bob!.signals.length === sent);

  t.deepEqual(ann.messages("leave"), [{ id: ann.id, cid: slow!.cid }]);
  t.is(app.serve.connector.stats.slowClosed, 1);
  t.is(await ann.post("anybody?", slow!.cid), 404);
  slow!.resume();
  await slow!.ended;
  t.is(app.serve.connector.stats.sessions, 2);
});

test("clients that go away at any moment of a join leave nothing", async (t) => {
  const cluster = memory();
  const [one, two] = [await startApp(t, { cluster }), await startApp(t, { cluster })];
  const ann = await openPeer(t, one.url);
  /** Opens a connection, asks, and goes away after so many milliseconds, at once, or as soon as it is answered. */
  async function visit({ port }: App, path: string, afterMs: number): Promise<void> {
    const client = new TcpClient(connect(port, ADDRESS));
    t.teardown(() => client.socket.destroy());
    client.socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
    if (afterMs < 0) await until(() => client.received.length > 0);
    else await new Promise((resolve) => setTimeout(resolve, afterMs));
    if (afterMs % 2 === 0) client.socket.resetAndDestroy();
    else client.socket.destroy();
    await client.closed;
  }

  for (let round = 0; round < 20; round++) {
    const visits = Array.from({ length: 20 }, (_, i) =>
      visit(i % 2 === 0 ? one : two, i % 3 === 0 ? "/" : `/${ann.id}`, ((i + round) % 12) - 1),
    );
    await Promise.all(visits);
  }

  const { service } = one.serve;
  await eventually(async () => (await service.count(peersOf(ann.id))) === 1, PATIENCE_MS);
  await eventually(async () => (await service.count(peersFrom(ADDRESS))) === 1, PATIENCE_MS);
  await until(() => one.serve.connector.stats.sessions === 1 && two.serve.connector.stats.sessions === 0);
  await untilAllHaveHeard([ann]);
  await until(() => ann.messages("join").length === ann.messages("leave").length);
  const cids = (event: string) => ann.messages(event).map((data) => (data as { cid: string }).cid);
  t.deepEqual(cids("join").toSorted(), cids("leave").toSorted());
  t.is(new Set(cids("join")).size, cids("join").length);
  ann.close();
  for (const app of [one, two]) await untilNothingIsLeft(app, [ann.id]);
});

test("swarms whose initiator goes while others join leave nothing", async (t) => {
  const cluster = memory();
  const [one, two] = [await startApp(t, { cluster }), await startApp(t, { cluster })];
  const ids: string[] = [];
  for (let round = 0; round < 15; round++) {
    const ann = await openPeer(t, one.url);
    ids.push(ann.id);
    const joining = Array.from({ length: 8 }, (_, i) => Peer.open(t, (i % 2 === 0 ? one : two).url, { id: ann.id }));
    if (round % 3 > 0) await joining[round % 8];
    ann.close();
    const peers = await Promise.all(joining);
    for (const { status } of peers) t.true(status === 200 || status === 404, String(status));
    await Promise.all(peers.map(({ ended }) => ended));
  }
  for (const app of [one, two]) await untilNothingIsLeft(app, ids);
});

test("stop() waits for no stream that waits for another response", async (t) => {
  let isLetIn = false;
  const slow = async (ctx: Koa.Context, next: Koa.Next): Promise<void> => {
    if (ctx.path === "/slow") ctx.respond = false;
    else await next().then(() => (isLetIn = true));
  };
  const app = await startApp(t, {}, { before: [slow] });
  const client = new TcpClient(connect(app.port, ADDRESS));
  t.teardown(() => client.socket.destroy());
  client.socket.write(`GET /slow HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n`);
  await until(() => isLetIn);
  t.is(app.serve.connector.stats.sessions, 1);

  await app.serve.stop();

  t.is(app.serve.connector.stats.sessions, 0);
  t.false(client.socket.destroyed);
});

test("streams that wait for another one of their connection go with it", async (t) => {
  const app = await startApp(t);
  const ann = await openPeer(t, app.url);
  const client = new TcpClient(connect(app.port, ADDRESS));
  t.teardown(() => client.socket.destroy());
  client.socket.write(`GET /${ann.id} HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(12));
  await until(() => ann.messages("join").length === 12);
  client.socket.destroy();
  await until(() => ann.messages("leave").length === 12);
  t.is(app.serve.connector.stats.sessions, 1);
  await untilEmpty({ count: async (name) => (await app.serve.service.count(name)) - 1 }, [peersOf(ann.id)]);
});
