import { get } from "node:http";
import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import anyTest, { type ExecutionContext } from "ava";
import { EventSource } from "eventsource";
import { parse } from "ssejson";
import { TcpClient, until } from "../../connectors/websocket-support.js";
import {
  ADDRESS,
  KOA_VERSIONS,
  openPeer,
  openSwarm,
  Peer,
  postForm,
  postJson,
  postText,
  send,
  startApp,
  untilAllHaveHeard,
  type Connected,
  type RequestOptions,
} from "./support.js";

// The HTTP API, to the letter of the old system's document.

const ID = /^[0-9a-f]{32}$/;
const UNKNOWN = "0".repeat(32);
const JSON_TYPE = { "Content-Type": "application/json" };

/** A JSON body of exactly so many bytes. */
function bodyOf(bytes: number, token: string): string {
  const empty = JSON.stringify({ token, data: "" });
  return JSON.stringify({ token, data: "x".repeat(bytes - empty.length) });
}

/** Sends bytes on a connection of their own. */
function openTcp(t: ExecutionContext, port: number): TcpClient {
  const client = new TcpClient(connect(port, ADDRESS));
  t.teardown(() => client.socket.destroy());
  return client;
}

for (const [version, koa] of Object.entries(KOA_VERSIONS)) {
  const test = (title: string, body: (t: ExecutionContext) => Promise<void>) => anyTest(`${version}: ${title}`, body);

  test("GET / opens a swarm: 201, and a stream that begins with `connect`, of three different ids", async (t) => {
    const { url } = await startApp(t, {}, { koa });
    const ann = await openPeer(t, url);

    t.is(ann.status, 201);
    t.regex(ann.headers["content-type"]!, /^text\/event-stream\b/);
    t.deepEqual(ann.names, ["connect"]);
    const { id, cid, token, ...rest } = ann.connected;
    t.deepEqual(rest, {} as typeof rest);
    for (const value of [id, cid, token]) t.regex(value, ID);
    t.is(new Set([id, cid, token]).size, 3);
    t.not((await openPeer(t, url)).id, id);
  });

  test("GET /:id joins it: 200, and `connect` with the same id, and a cid and a token of the peer's own", async (t) => {
    const { url } = await startApp(t, {}, { koa });
    const [ann, bob, cat] = await openSwarm(t, url, 2);

    for (const peer of [bob!, cat!]) {
      t.is(peer.status, 200);
      t.regex(peer.headers["content-type"]!, /^text\/event-stream\b/);
      t.is(peer.events[0]!.event, "connect");
      t.is(peer.id, ann.id);
    }
    t.is(new Set([ann, bob!, cat!].flatMap(({ cid, token }) => [cid, token])).size, 6);
  });

  test("with createdStatus 200 GET / is answered with that", async (t) => {
    const { url } = await startApp(t, { createdStatus: 200 }, { koa });
    t.is((await openPeer(t, url)).status, 200);
  });

  test("the initiator is told who joins and who leaves, once, and nobody else is", async (t) => {
    const { url } = await startApp(t, {}, { koa });
    const [ann, bob, cat] = await openSwarm(t, url, 2);
    const { id } = ann;
    bob!.close();
    await until(() => ann.messages("leave").length === 1);
    await untilAllHaveHeard([ann, cat!]);

    t.deepEqual(
      ann.events.slice(1, -1).map(({ event, data }) => [event, data]),
      [
        ["join", { id, cid: bob!.cid }],
        ["join", { id, cid: cat!.cid }],
        ["leave", { id, cid: bob!.cid }],
      ],
    );
    t.deepEqual(bob!.names, ["connect"]);
    t.deepEqual(cat!.names, ["connect", "signal"]);
  });

  test("swarms hear nothing of each other", async (t) => {
    const { url } = await startApp(t, {}, { koa });
    const [ann, bob] = await openSwarm(t, url);
    const [cat, dan] = await openSwarm(t, url);
    t.is(await ann.post("hello"), 200);
    bob!.close();
    await until(() => ann.messages("leave").length === 1);
    await untilAllHaveHeard([cat, dan!]);

    t.deepEqual(cat.names, ["connect", "join", "signal"]);
    t.deepEqual(dan!.names, ["connect", "signal"]);
  });

  test("a peer that has left can post no more, 401, and cannot be reached, 404", async (t) => {
    const { url } = await startApp(t, {}, { koa });
    const [ann, bob] = await openSwarm(t, url);
    t.is(await bob!.post("still here"), 200);
    bob!.close();
    await until(() => ann.messages("leave").length === 1);

    t.is(await bob!.post("a ghost"), 401);
    t.is(await ann.post("hello", bob!.cid), 404);
    t.deepEqual(ann.signals, ["still here"]);
  });

  test("when the initiator goes, all streams end and the swarm is no more", async (t) => {
    const { url } = await startApp(t, {}, { koa });
    const [ann, bob, cat] = await openSwarm(t, url, 2);
    const [other] = await openSwarm(t, url);
    ann.close();
    await bob!.ended;
    await cat!.ended;

    t.is((await send(bob!.swarmUrl)).status, 404);
    t.is(await bob!.post("anybody?"), 404);
    t.is(await ann.post("anybody?"), 404);
    t.deepEqual(cat!.names, ["connect"]);
    t.is(await other.post("all is well"), 200);
  });

  test("a signal reaches all peers, the sender among them; with a cid that one alone", async (t) => {
    const { url } = await startApp(t, {}, { koa });
    const swarm = await openSwarm(t, url, 2);
    const [ann, bob, cat] = swarm;
    t.is(await bob!.post({ to: "all" }), 200);
    t.is(await bob!.post({ to: "cat" }, cat!.cid), 200);
    t.is(await cat!.post({ to: "ann" }, ann.cid), 200);
    t.is(await bob!.post({ to: "bob" }, bob!.cid), 200);
    await untilAllHaveHeard(swarm);

    const data = ({ signals }: Peer) => signals.slice(0, -1);
    t.deepEqual(data(ann), [{ to: "all" }, { to: "ann" }]);
    t.deepEqual(data(bob!), [{ to: "all" }, { to: "bob" }]);
    t.deepEqual(data(cat!), [{ to: "all" }, { to: "cat" }]);
  });

  test("an empty cid, of a form, or null is none: all get it", async (t) => {
    const { url } = await startApp(t, {}, { koa });
    const [ann, bob] = await openSwarm(t, url);
    const { token } = ann;
    t.is((await postForm(ann.swarmUrl, { token, data: "form", cid: "" })).status, 200);
    t.is((await postJson(ann.swarmUrl, { token, data: "json", cid: null })).status, 200);
    await until(() => bob!.signals.length === 2);
    t.deepEqual(bob!.signals, ["form", "json"]);
  });

  test("a form says what JSON does, nested data too", async (t) => {
    const { url } = await startApp(t, {}, { koa });
    const [ann, bob] = await openSwarm(t, url);
    const { token } = bob!;
    const post = (fields: Record<string, string>) => postForm(ann.swarmUrl, { token, ...fields });
    t.is((await post({ "data[a][b]": "1", "data[greeting]": "hällo\n☃" })).status, 200);
    t.is((await post({ data: "text", cid: ann.cid })).status, 200);
    t.is((await post({ "data[]": "x" })).status, 200);
    await until(() => ann.signals.length === 3);
    t.deepEqual(ann.signals, [{ a: { b: "1" }, greeting: "hällo\n☃" }, "text", ["x"]]);
    await until(() => bob!.signals.length === 2);
  });

  test("data may be any JSON, and arrives as it is", async (t) => {
    const { url } = await startApp(t, {}, { koa });
    const [ann, bob] = await openSwarm(t, url);
    const values: unknown[] = [
      { sdp: "v=0\r\no=- 1\r\n", nested: { deep: [null, { x: 1 }] } },
      [1, "two", null],
      [],
      {},
      "lines\nand\r\nmore\rlines: data: x\n\nevent: leave",
      "☃ 😀 \u0000 \u2028",
      0,
      -1.5e-7,
      false,
      true,
      { constructor: 1, toString: "x", hasOwnProperty: null },
    ];
    for (const value of values) t.is(await ann.post(value), 200);
    await until(() => bob!.signals.length === values.length);
    t.deepEqual(bob!.signals, values);
    t.deepEqual(new Set(bob!.names), new Set(["connect", "signal"]));
  });

  test("signals of one peer that waits for its answers arrive in their order, to all and to one", async (t) => {
    const { url } = await startApp(t, {}, { koa });
    const [ann, bob] = await openSwarm(t, url);
    const sent = Array.from({ length: 60 }, (_, i) => i);
    for (const i of sent) t.is(await ann.post(i, i % 3 === 0 ? bob!.cid : undefined), 200);
    await until(() => bob!.signals.length === sent.length);
    t.deepEqual(bob!.signals, sent);
  });

  test("an Accept that does not allow text/event-stream is refused with 406", async (t) => {
    const { url } = await startApp(t, {}, { koa });
    const { id } = await openPeer(t, url);
    const statusOf = async (path: string, accept: string | undefined) =>
      (await send(url + path, { headers: accept === undefined ? {} : { Accept: accept } })).status;

    for (const accept of [
      undefined,
      "*/*",
      "text/*",
      "text/event-stream",
      "application/json, text/event-stream;q=0.1",
    ]) {
      t.is(await statusOf("/", accept), 201, accept);
      t.is(await statusOf(`/${id}`, accept), 200, accept);
    }
    for (const accept of [
      "application/json",
      "text/html",
      "text/event-stream;q=0",
      "text/event-stream;q=0, */*",
      "x",
    ]) {
      t.is(await statusOf("/", accept), 406, accept);
      t.is(await statusOf(`/${id}`, accept), 406, accept);
      t.is(await statusOf(`/${UNKNOWN}`, accept), 406, accept);
    }
  });

  test("what is no swarm is answered with 404, whatever its name", async (t) => {
    const { url } = await startApp(t, {}, { koa });
    const { id, token } = await openPeer(t, url);
    const names = [UNKNOWN, "constructor", "__proto__", "toString", "a/b", `${id}/`, `/${id}`, id.toUpperCase()];
    names.push(
      id.slice(1),
      `${id}0`,
      `${id}%0a`,
      `%${id}`,
      "%",
      "%00",
      `${id}:initiator`,
      `signal:${id}`,
      "a".repeat(5000),
    );
    for (const name of names) {
      t.is((await send(`${url}/${name}`)).status, 404, name);
      t.is((await postJson(`${url}/${name}`, { token, data: 1 })).status, 404, name);
    }
    t.is((await postJson(`${url}/`, { token, data: 1 })).status, 404);
  });

  test("a query changes nothing", async (t) => {
    const { url } = await startApp(t, {}, { koa });
    const [ann, bob] = await openSwarm(t, url);
    t.is((await send(`${url}/?x=1`)).status, 201);
    t.is((await send(`${url}/${ann.id}?id=${UNKNOWN}`)).status, 200);
    t.is((await postJson(`${ann.swarmUrl}?token=x`, { token: ann.token, data: 1 })).status, 200);
    await until(() => bob!.signals.length === 1);
  });

  test("without the token of a peer of this very swarm a signal is refused with 401", async (t) => {
    const { url } = await startApp(t, {}, { koa });
    const [ann, bob] = await openSwarm(t, url);
    const stranger = await openPeer(t, url);
    const tokens: unknown[] = [undefined, null, "", UNKNOWN, ann.cid, ann.id, stranger.token, ann.token.toUpperCase()];
    tokens.push(`${ann.token} `, 7, true, [ann.token], { token: ann.token }, "__proto__", `${ann.token}\n`);
    for (const token of tokens) {
      const { status, text } = await postJson(ann.swarmUrl, { token, data: "no" });
      t.is(status, 401, JSON.stringify(token));
      t.false(text.includes(ann.token));
    }
    for (const body of ["[]", "[1]", "{}", ""]) t.is((await postText(ann.swarmUrl, body)).status, 401, body);
    t.is((await postForm(ann.swarmUrl, { "token[]": ann.token, data: "no" })).status, 401);
    t.is((await postForm(ann.swarmUrl, { data: "no" })).status, 401);
    await untilAllHaveHeard([ann, bob!]);
    t.is(bob!.signals.length, 1);
  });

  test("without data a signal is refused with 400, and so is a body that is none", async (t) => {
    const { url } = await startApp(t, {}, { koa });
    const [ann, bob] = await openSwarm(t, url);
    const { token, swarmUrl } = ann;
    for (const data of [undefined, null, ""]) {
      t.is((await postJson(swarmUrl, { token, data })).status, 400, JSON.stringify(data));
    }
    t.is((await postForm(swarmUrl, { token, data: "" })).status, 400);
    t.is((await postForm(swarmUrl, { token })).status, 400);
    const good = JSON.stringify({ token, data: 1 });
    const bodies = [good.slice(1), good.slice(0, -1), `${good}}`, "x", "null", "7", '"text"', `{'token':1}`];
    bodies.push(`{"token":"${token}","data":{"__proto__":{"x":1}}}`, `{"__proto__":{"token":"${token}","data":1}}`);
    for (const body of bodies) t.is((await postText(swarmUrl, body)).status, 400, body);
    for (const encoding of ["gzip", "deflate", "br"]) {
      t.is((await postText(swarmUrl, good, { "Content-Encoding": encoding })).status, 400, encoding);
    }
    await untilAllHaveHeard([ann, bob!]);
    t.is(bob!.signals.length, 1);
  });

  test("a cid that no peer of this swarm has is answered with 404", async (t) => {
    const { url } = await startApp(t, {}, { koa });
    const [ann, bob] = await openSwarm(t, url);
    const stranger = await openPeer(t, url);
    const { token } = ann;
    const cids: unknown[] = [UNKNOWN, stranger.cid, bob!.token, ann.id, bob!.cid.toUpperCase(), `${bob!.cid} `];
    cids.push(7, 0, true, false, [bob!.cid], { cid: bob!.cid }, [], "__proto__", "constructor");
    for (const cid of cids) {
      t.is((await postJson(ann.swarmUrl, { token, data: 1, cid })).status, 404, JSON.stringify(cid));
    }
    t.is((await postForm(ann.swarmUrl, { token, data: "1", "cid[]": bob!.cid })).status, 404);
    await untilAllHaveHeard([ann, bob!]);
    t.is(bob!.signals.length, 1);
    t.deepEqual(stranger.names, ["connect"]);
  });

  for (const [limit, bytes] of [
    [undefined, 10 * 1024],
    [300, 300],
    ["1kb", 1024],
    ["0.5 KB", 512],
  ] as const) {
    test(`limit ${limit}: a body of ${bytes} bytes is taken, and a larger one refused with 413`, async (t) => {
      const { url } = await startApp(t, { limit }, { koa });
      const { swarmUrl, token } = await openPeer(t, url);
      const post = (options: RequestOptions) => send(swarmUrl, { method: "POST", ...options });
      t.is((await post({ headers: JSON_TYPE, body: bodyOf(bytes, token) })).status, 200);
      t.is((await post({ headers: JSON_TYPE, body: bodyOf(bytes, token), chunked: true })).status, 200);

      const packed = { ...JSON_TYPE, "Content-Encoding": "gzip" };
      const large = bodyOf(bytes + 1, token);
      const form = new URLSearchParams({ token, data: "x".repeat(bytes) }).toString();
      for (const options of [
        { headers: JSON_TYPE, body: large },
        { headers: JSON_TYPE, body: large, chunked: true },
        { headers: packed, body: gzipSync(large) },
        { headers: packed, body: gzipSync(bodyOf(bytes * 100, token)), chunked: true },
        { headers: { "Content-Type": "application/x-www-form-urlencoded" }, body: form },
      ]) {
        const { status, headers } = await post(options);
        t.is(status, 413);
        t.is(headers.connection, "close");
      }
      t.is((await post({ headers: packed, body: gzipSync(bodyOf(bytes, token)) })).status, 200);
    });
  }

  test("whoever sends too much is cut off before all is sent", async (t) => {
    const { url, port } = await startApp(t, { limit: 100 }, { koa });
    const { id } = await openPeer(t, url);
    const client = openTcp(t, port);
    client.socket.write(
      `POST /${id} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100000000\r\n\r\n{"data":`,
    );
    await client.closed;
    t.regex(client.received.toString(), /^HTTP\/1\.1 413 /);
  });

  test("what is neither JSON nor a form is refused with 415", async (t) => {
    const { url } = await startApp(t, {}, { koa });
    const { swarmUrl, token } = await openPeer(t, url);
    const body = JSON.stringify({ token, data: 1 });
    for (const type of [
      "text/plain",
      "text/html",
      "application/octet-stream",
      "multipart/form-data; boundary=x",
      "json",
      "",
    ]) {
      t.is((await postText(swarmUrl, body, { "Content-Type": type })).status, 415, type);
    }
    t.is((await send(swarmUrl, { method: "POST", body })).status, 415);
    t.is((await postText(swarmUrl, body, { "Content-Encoding": "zip" })).status, 415);
    for (const type of ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json"]) {
      t.is((await postText(swarmUrl, body, { "Content-Type": type })).status, 200, type);
    }
  });

  test("other methods are left alone", async (t) => {
    const after = (ctx: { status: number; method: string; set(name: string, value: string): void }) => {
      if (ctx.method === "OPTIONS") ctx.status = 204;
      else ctx.set("X-Seen", ctx.method);
    };
    const app = await startApp(t, {}, { koa, after: [after] });
    const { id, swarmUrl, token } = await openPeer(t, app.url);
    for (const method of ["HEAD", "PUT", "PATCH", "DELETE"]) {
      for (const path of ["/", `/${id}`]) {
        const body = JSON.stringify({ token, data: 1 });
        const { status, headers } = await send(app.url + path, { method, ...(method !== "HEAD" && { body }) });
        t.is(status, 404, method);
        t.is(headers["x-seen"], method);
      }
    }
    t.is((await send(swarmUrl, { method: "OPTIONS" })).status, 204);
    t.is(app.serve.connector.stats.sessions, 1);
  });

  test("where several things are wrong the first one is told: swarm, body, token, data, cid", async (t) => {
    const { url } = await startApp(t, {}, { koa });
    const { id, token } = await openPeer(t, url);
    const huge = bodyOf(20_000, token);
    const statuses = async (swarm: string) => [
      (await postText(`${url}/${swarm}`, huge)).status,
      (await postText(`${url}/${swarm}`, "{")).status,
      (await postText(`${url}/${swarm}`, "{}", { "Content-Type": "text/plain" })).status,
      (await postJson(`${url}/${swarm}`, { cid: UNKNOWN })).status,
      (await postJson(`${url}/${swarm}`, { token, cid: UNKNOWN })).status,
      (await postJson(`${url}/${swarm}`, { token, data: 1, cid: UNKNOWN })).status,
    ];
    t.deepEqual(await statuses(id), [413, 400, 415, 401, 400, 404]);
    t.deepEqual(await statuses(UNKNOWN), [404, 404, 404, 404, 404, 404]);
  });

  test("what the old system's users have works: the example of its document", async (t) => {
    const { url } = await startApp(t, {}, { koa });
    const greetings: unknown[] = [];
    const read = (path: string, event: string, onData: (data: Connected) => void) => {
      const request = get(url + path, (response) => response.pipe(parse(event)).on("data", onData));
      request.on("error", () => {});
      t.teardown(() => request.destroy());
      return request;
    };
    let opened: Connected | undefined;
    const initiator = read("/", "connect", (data) => {
      opened = data;
      read(`/${data.id}`, "signal", (greeting) => greetings.push(greeting));
    });
    initiator.on("response", (response) =>
      response.pipe(parse("join")).on("data", ({ cid }: Connected) => {
        void postForm(`${url}/${opened!.id}`, { token: opened!.token, "data[greeting]": `hello ${cid}` });
      }),
    );
    await until(() => greetings.length === 1);
    t.regex((greetings[0] as { greeting: string }).greeting, /^hello [0-9a-f]{32}$/);
  });

  test("an EventSource joins, and opens where GET / is answered with 200", async (t) => {
    const { url } = await startApp(t, { createdStatus: 200 }, { koa });
    const open = async (path: string) => {
      const source = new EventSource(url + path);
      t.teardown(() => source.close());
      const heard: unknown[] = [];
      source.addEventListener("connect", ({ data }) => heard.push(JSON.parse(data as string)));
      source.addEventListener("signal", ({ data }) => heard.push(JSON.parse(data as string)));
      await until(() => heard.length === 1);
      return { heard, connected: heard[0] as Connected };
    };
    const ann = await open("/");
    const bob = await open(`/${ann.connected.id}`);
    const { id, token } = ann.connected;
    t.is((await postJson(`${url}/${id}`, { token, data: { n: 1 } })).status, 200);
    await until(() => ann.heard.length === 2 && bob.heard.length === 2);
    t.deepEqual(bob.heard[1], { n: 1 });
  });
}
