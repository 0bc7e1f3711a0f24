import { once } from "node:events";
import { request, type ServerResponse } from "node:http";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import type { AddressInfo } from "node:net";
import { inspect } from "node:util";
import { gzipSync } from "node:zlib";
import test, { type ExecutionContext } from "ava";
import Koa from "koa";
import signal, { type KoaContext, type SignalOptions } from "../../../src/adapters/koa-signal/index.js";
import {
  Frontend,
  GlobalChannelService,
  memory,
  type ClusterInput,
  type GlobalChannelError,
  type ManagerCapabilities,
} from "../../../src/index.js";
import { redis } from "../../../src/redis/index.js";
import { SseConnector } from "../../../src/connectors/sse/connector.js";
import { eventually } from "../../cluster/cluster.js";
import { until } from "../../connectors/websocket-support.js";
import { RecordingConnector } from "../../support/recording-connector.js";
import { startRedis } from "../../support/redis-server.js";
import { replacing } from "../../support/stage.js";
import {
  KOA_VERSIONS,
  openPeer,
  openSwarm,
  Peer,
  postJson,
  postText,
  send,
  serveApp,
  startApp,
  untilAllHaveHeard,
  untilNothingIsLeft,
} from "./support.js";

// The middleware among others, its options, and what it is made of.

/** How long the library may take to be connected again. */
const RECONNECTION_MS = 30_000;

const UNKNOWN = "0".repeat(32);

/** What an application shares with the middleware, and starts and stops itself. */
async function startParts(t: ExecutionContext, cluster: ClusterInput = memory()) {
  const service = new GlobalChannelService({ cluster });
  t.teardown(() => service.stop(true));
  await service.start();
  const connector = new SseConnector();
  const frontend = new Frontend({ sid: "web-1", stype: "web", cluster, connector });
  t.teardown(() => frontend.stop());
  await frontend.start();
  return { service, frontend, connector };
}

function without(capability: keyof ManagerCapabilities): ClusterInput {
  const cluster = memory();
  const capabilities = { ...cluster.manager.capabilities, [capability]: false };
  return { ...cluster, manager: replacing(cluster.manager, { capabilities }) };
}

function refusalOf(t: ExecutionContext, options: unknown): GlobalChannelError {
  return t.throws<GlobalChannelError>(() => signal(options as SignalOptions));
}

for (const [version, koa] of Object.entries(KOA_VERSIONS)) {
  test(`${version}: what a middleware after it answers is kept, and nothing is opened`, async (t) => {
    const after: Koa.Middleware = async (ctx, next) => {
      if (ctx.query["as"] === "body") ctx.body = "the application's";
      else if (ctx.query["as"] === "json") ctx.body = { status: "fine" };
      else if (ctx.query["as"] === "empty") ctx.body = "";
      else if (ctx.query["as"] === "status") ctx.status = 403;
      else if (ctx.query["as"] === "gone") ctx.status = 204;
      else if (ctx.query["as"] === "not-found") {
        ctx.status = 404;
        ctx.body = "nothing here";
      } else if (ctx.query["as"] === "raw") {
        ctx.respond = false;
        ctx.res.writeHead(418).end("raw");
      } else await next();
    };
    const app = await startApp(t, {}, { koa, after: [after] });
    for (const [as, status, text] of [
      ["body", 200, "the application's"],
      ["json", 200, '{"status":"fine"}'],
      ["empty", 200, ""],
      ["status", 403, "Forbidden"],
      ["gone", 204, ""],
      ["not-found", 404, "nothing here"],
      ["raw", 418, "raw"],
    ] as const) {
      const got = await send(`${app.url}/?as=${as}`);
      t.deepEqual([got.status, got.text], [status, text], as);
      const posted = await postJson(`${app.url}/${UNKNOWN}?as=${as}`, {});
      t.deepEqual([posted.status, posted.text], [status, text], as);
    }
    t.is(app.serve.connector.stats.sessions, 0);
    t.is((await openPeer(t, app.url)).status, 201);
    t.deepEqual(app.errors, []);
  });

  test(`${version}: a response that a middleware after it has yet to write is left alone`, async (t) => {
    const after: Koa.Middleware = (ctx) => {
      ctx.respond = false;
      setTimeout(() => ctx.res.end("late"), 20);
    };
    const { url } = await startApp(t, {}, { koa, after: [after] });
    t.is((await send(`${url}/`)).text, "late");
  });

  test(`${version}: middlewares before it set headers, and see what is answered`, async (t) => {
    const seen: unknown[] = [];
    const before: Koa.Middleware = async (ctx, next) => {
      ctx.set("Access-Control-Allow-Origin", "*");
      ctx.set("Content-Type", "text/html");
      await next();
      seen.push(ctx.status);
      // Too late for a stream, whose headers are sent.
      ctx.set("X-Response-Time", "1");
    };
    const app = await startApp(t, {}, { koa, before: [before] });
    const [ann, bob] = await openSwarm(t, app.url);

    t.is(ann.headers["access-control-allow-origin"], "*");
    t.regex(ann.headers["content-type"]!, /^text\/event-stream\b/);
    const posted = await postJson(ann.swarmUrl, { token: ann.token, data: 1 });
    t.is(posted.headers["x-response-time"], "1");
    t.is(posted.headers["access-control-allow-origin"], "*");
    t.deepEqual(seen, [201, 200, 200]);
    await untilAllHaveHeard([ann, bob!]);
    t.deepEqual(app.errors, []);
  });

  test(`${version}: a middleware before it that handles errors sees what is refused, with its status`, async (t) => {
    const before: Koa.Middleware = async (ctx, next) => {
      try {
        await next();
      } catch (error) {
        const { status, message, expose } = error as { status: number; message: string; expose: boolean };
        ctx.status = status;
        ctx.body = { status, message: expose ? message : "failed" };
      }
    };
    const app = await startApp(t, { limit: 100, maxSwarmsPerAddress: 1 }, { koa, before: [before] });
    const { swarmUrl, token } = await openPeer(t, app.url);
    const json = JSON.stringify({ token });
    for (const [answer, status, message] of [
      [await send(swarmUrl, { headers: { Accept: "text/html" } }), 406, /event-stream/],
      [await send(`${app.url}/${UNKNOWN}`), 404, /swarm/],
      [await postJson(swarmUrl, {}), 401, /token/],
      [await postText(swarmUrl, json), 400, /data/],
      [await postText(swarmUrl, "x".repeat(101)), 413, /100 bytes/],
      [await postText(swarmUrl, json, { "Content-Type": "text/plain" }), 415, /JSON/],
      [await send(`${app.url}/`), 429, /1 swarms/],
    ] as const) {
      const told = JSON.parse(answer.text) as { status: number; message: string };
      t.is(answer.status, status);
      t.is(told.status, status);
      t.regex(told.message, message);
    }
    t.deepEqual(app.errors, []);
  });

  test(`${version}: what a body parser before it has read is taken`, async (t) => {
    const before: Koa.Middleware = async (ctx, next) => {
      if (ctx.method === "POST") {
        let text = "";
        for await (const chunk of ctx.req) text += String(chunk);
        Object.assign(ctx.request, { body: text === "text" ? text : (JSON.parse(text) as unknown) });
      }
      await next();
    };
    const { url } = await startApp(t, { limit: 10 }, { koa, before: [before] });
    const [ann, bob] = await openSwarm(t, url);
    t.is(await ann.post({ larger: "than the limit, which is the parser's business" }), 200);
    t.is((await postText(ann.swarmUrl, "text")).status, 401);
    t.is((await postText(ann.swarmUrl, "[]")).status, 401);
    await until(() => bob!.signals.length === 1);
  });

  test(`${version}: mounted under a prefix it serves that, and nothing beside it`, async (t) => {
    const serve = signal();
    t.teardown(() => serve.stop());
    const mounted = Object.assign(async (ctx: Koa.Context, next: Koa.Next) => {
      const { path } = ctx;
      if (!path.startsWith("/signal/")) return next();
      ctx.path = path.slice("/signal".length);
      await serve(ctx, async () => {
        ctx.path = path;
        await next();
        ctx.path = path.slice("/signal".length);
      });
      ctx.path = path;
    }, serve) as typeof serve;
    const { url } = await serveApp(t, mounted, { koa });
    const swarm = await openSwarm(t, `${url}/signal`);
    await untilAllHaveHeard(swarm);
    t.is((await send(`${url}/`)).status, 404);
    t.is((await send(`${url}/${swarm[0].id}`)).status, 404);
  });
}

test("two middlewares are two worlds without a cluster, and one world with the same one", async (t) => {
  const cluster = memory();
  const [one, two] = [await startApp(t), await startApp(t)];
  const alone = await openPeer(t, one.url);
  t.is((await send(`${two.url}/${alone.id}`)).status, 404);
  t.is((await postJson(`${two.url}/${alone.id}`, { token: alone.token, data: 1 })).status, 404);

  const [here, there] = [await startApp(t, { cluster }), await startApp(t, { cluster })];
  const ann = await openPeer(t, here.url);
  const bob = await openPeer(t, there.url, { id: ann.id });
  const cat = await openPeer(t, there.url, { id: ann.id });
  await until(() => ann.messages("join").length === 2);
  t.is(await bob.post("for ann", ann.cid), 200);
  t.is(await ann.post("for bob", bob.cid), 200);
  t.is((await postJson(`${here.url}/${ann.id}`, { token: bob.token, data: "by the other" })).status, 200);
  await untilAllHaveHeard([ann, bob, cat]);
  t.deepEqual(ann.signals.slice(0, -1), ["for ann", "by the other"]);
  t.deepEqual(bob.signals.slice(0, -1), ["for bob", "by the other"]);
  bob.close();
  await until(() => ann.messages("leave").length === 1);
  ann.close();
  await cat.ended;
  await untilNothingIsLeft(there, [ann.id]);
});

test("an option that is none, or has no such value, is refused with what it is", async (t) => {
  const cluster = memory();
  const { service, frontend } = await startParts(t, cluster);
  const other = await startParts(t);
  const recording = new Frontend({ sid: "a", stype: "web", cluster, connector: new RecordingConnector() });
  const lasting = new Frontend({ sid: "b", stype: "web", cluster, connector: new SseConnector(), autoLeave: false });
  for (const [options, argument, message] of [
    [null, undefined, /null/],
    [7, undefined, /7/],
    [[], undefined, /array/],
    [{ limits: "10kb" }, "limits", /"limits" \(did you mean limit\?\)/],
    [{ maxSwarmPerAddress: 1 }, "maxSwarmPerAddress", /maxSwarmsPerAddress/],
    ...["abc", "10kib", "", "kb", "10 k", "-1kb", "1e3", "0", "0.5b", "Infinity", "1tb"].map(
      (limit) => [{ limit }, "limit", new RegExp(`limit is "${limit}"`)] as const,
    ),
    ...[0, -1, 0.5, Infinity, -Infinity, NaN].map(
      (limit) => [{ limit }, "limit", new RegExp(`limit is ${limit}`)] as const,
    ),
    ...[null, true, {}, ["10kb"], 10n].map((limit) => [{ limit }, "limit", /limit is/] as const),
    [{ cluster: {} }, "cluster", /manager/],
    [{ cluster: "redis://localhost" }, "cluster", /redis:\/\/localhost/],
    [{ cluster: null }, "cluster", /null/],
    [{ service: {} }, "service", /GlobalChannelService/],
    [{ service: null }, "service", /null/],
    [{ frontend: {} }, "frontend", /SseConnector/],
    [{ frontend: null }, "frontend", /null/],
    [{ frontend: recording }, "frontend", /SseConnector/],
    [{ frontend: lasting }, "frontend", /autoLeave/],
    [{ cluster, service }, "cluster", /service/],
    [{ cluster, frontend }, "cluster", /frontend/],
    [{ service, frontend: other.frontend }, "frontend", /two clusters/],
    [{ sse: {}, frontend }, "sse", /connector/],
    [{ sse: 7 }, "sse", /7/],
    [{ sse: { retry: 1 } }, "retry", /retryMs/],
    [{ sse: { history: { size: 0 } } }, "history", /size is 0/],
    ...[0, -1, NaN, "1"].map((value) => [{ maxSwarmsPerAddress: value }, "maxSwarmsPerAddress", /must be/] as const),
    ...[0, -1, Infinity, "1"].map((value) => [{ maxPeersPerAddress: value }, "maxPeersPerAddress", /must be/] as const),
    ...[202, 0, "200", null, true].map((value) => [{ createdStatus: value }, "createdStatus", /200 or 201/] as const),
    [{ address: "x-real-ip" }, "address", /function/],
  ] as const) {
    const error = refusalOf(t, options);
    t.is(error.code, "GC_INVALID_OPTION", String(message));
    if (argument !== undefined) t.is(error.argument, argument, error.message);
    t.regex(error.message, message);
  }
});

test("undefined is the default of each option", async (t) => {
  const options = { limit: undefined, cluster: undefined, service: undefined, frontend: undefined, sse: undefined };
  const { url } = await startApp(t, { ...options, createdStatus: undefined, address: undefined });
  t.is((await openPeer(t, url)).status, 201);
});

test("a manager without one of the capabilities that are needed is refused with its name", (t) => {
  for (const capability of ["versions", "presence", "events"] as const) {
    const error = refusalOf(t, { cluster: without(capability) });
    t.is(error.code, "GC_UNSUPPORTED");
    t.regex(error.message, new RegExp(`lacks ${capability}$`));
  }
});

for (const shared of [["service"], ["frontend"], ["service", "frontend"]] as const) {
  const names = shared.join(" and ");
  test(`with the ${names} of the application peers meet, and after stop() these go on without them`, async (t) => {
    const parts = await startParts(t);
    const mine = await parts.service.add("chat", "me", parts.frontend.sid);
    t.true(mine);
    const app = await startApp(t, Object.fromEntries(shared.map((part) => [part, parts[part]])));
    for (const part of shared) t.is(app.serve[part], parts[part]);
    const [ann, bob] = await openSwarm(t, app.url);
    await untilAllHaveHeard([ann, bob!]);
    t.is(await parts.service.count(`signal:${ann.id}`), 2);

    await app.serve.stop();

    await Promise.all([ann.ended, bob!.ended]);
    await untilNothingIsLeft({ ...app, serve: { ...app.serve, service: parts.service } as typeof app.serve }, [ann.id]);
    t.is((await send(`${app.url}/`)).status, 503);
    t.is((await send(ann.swarmUrl)).status, 503);
    t.is(await ann.post("anybody?"), 503);
    t.is((await parts.service.pushMessage("web", "news", 1, "chat")).targeted, 1);
    const again = await startApp(t, { service: parts.service, frontend: parts.frontend });
    t.is((await openPeer(t, again.url)).status, 201);
  });
}

test("with parts whose owner has not started them requests get 503, and work when it has", async (t) => {
  const cluster = memory();
  const service = new GlobalChannelService({ cluster });
  t.teardown(() => service.stop());
  const { url, errors } = await startApp(t, { service });
  t.is((await send(`${url}/`)).status, 503);
  t.is((errors[0] as unknown as { cause: GlobalChannelError }).cause.code, "GC_NOT_STARTED");
  await service.start();
  await openSwarm(t, url);
});

test("stop() closes all peers, who leave; requests get 503 then; it may be called again", async (t) => {
  const cluster = memory();
  const app = await startApp(t, { cluster });
  const other = await startApp(t, { cluster });
  const [ann, bob] = await openSwarm(t, app.url);
  const [cat, dan] = [await openPeer(t, other.url), await openPeer(t, app.url)];
  const eve = await openPeer(t, app.url, { id: cat.id });
  await until(() => cat.messages("join").length === 1);

  await Promise.all([app.serve.stop(), app.serve.stop()]);
  await app.serve.stop();

  for (const peer of [ann, bob!, dan, eve]) await peer.ended;
  await until(() => cat.messages("leave").length === 1);
  t.is((await send(`${app.url}/`)).status, 503);
  t.is((await send(cat.swarmUrl.replace(other.url, app.url))).status, 503);
  t.is(await ann.post("anybody?"), 503);
  t.is((await send(`${app.url}/a/b`)).status, 404);
  t.is((await send(`${other.url}/${ann.id}`)).status, 404);
  cat.close();
  await untilNothingIsLeft(other, [ann.id, cat.id, dan.id]);
});

test("stop() before anything was started leaves it closed", async (t) => {
  const app = await startApp(t);
  await app.serve.stop();
  t.is((await send(`${app.url}/`)).status, 503);
  t.is((await t.throwsAsync<GlobalChannelError>(app.serve.start())).code, "GC_CLOSED");
});

test("stop() while peers come leaves none", async (t) => {
  const cluster = memory();
  const app = await startApp(t, { cluster });
  const { service } = (await startApp(t, { cluster })).serve;
  await service.start();
  await app.serve.start();
  const opened = Array.from({ length: 20 }, () => Peer.open(t, app.url));
  await Promise.race(opened);
  await app.serve.stop();
  const peers = await Promise.all(opened);
  for (const { status } of peers) t.true([201, 503].includes(status), String(status));
  await Promise.all(peers.map(({ ended }) => ended));
  await untilNothingIsLeft({ ...app, serve: { ...app.serve, service } as typeof app.serve });
});

test("stop() waits until clients have what was sent to them, also with a frontend of the application", async (t) => {
  const parts = await startParts(t);
  const streams: ServerResponse[] = [];
  const noting = async (ctx: KoaContext, next: () => Promise<unknown>): Promise<void> => {
    await next();
    if (ctx.respond === false) streams.push(ctx.res);
  };
  const given = { service: parts.service, frontend: parts.frontend };
  const app = await startApp(t, given, { before: [noting] });
  const [ann, bob] = await openSwarm(t, app.url);
  t.is(await ann.post("last"), 200);

  await app.serve.stop();
  const closed = streams.map((res) => res.closed);

  t.deepEqual(closed, [true, true]);
  await bob!.ended;
  t.deepEqual(bob!.signals, ["last"]);
});

test("Koa serves it over HTTP/2, too", async (t) => {
  const serve = signal();
  t.teardown(() => serve.stop());
  const callback = new Koa().use(serve).callback();
  const server = createHttp2Server((req, res) => void callback(req as never, res as never));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  t.teardown(() => {
    client.destroy();
    server.close();
  });
  const stream = client.request({ ":path": "/", accept: "text/event-stream" });
  let text = "";
  stream.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const [headers] = (await once(stream, "response")) as [Record<string, unknown>];
  t.is(headers[":status"], 201);
  await until(() => text.includes("event: connect\n"));
  t.is(serve.connector.stats.sessions, 1);

  stream.close();

  await until(() => serve.connector.stats.sessions === 0);
});

test("what cannot be read of a body is the client's fault, nobody is told what was in it, and it ends with its request", async (t) => {
  let begun = 0;
  let ended = 0;
  let goOn = Promise.resolve();
  const counting = async (_ctx: unknown, next: () => Promise<unknown>): Promise<void> => {
    begun++;
    await goOn;
    await next().finally(() => ended++);
  };
  const app = await startApp(t, {}, { before: [counting] });
  const { swarmUrl, token } = await openPeer(t, app.url);
  const good = JSON.stringify({ token, data: 1 });

  t.is((await postText(swarmUrl, good.slice(0, -1))).status, 400);
  t.is((await postText(swarmUrl, good, { "Content-Type": "image/png" })).status, 415);
  t.is((await postText(swarmUrl, good, { "Content-Encoding": "gzip" })).status, 400);
  for (const error of app.errors as (Error & { expose?: boolean })[]) {
    t.true(error.expose);
    t.false(inspect(error, { depth: 9 }).includes(token));
  }

  t.is((await postText(swarmUrl, good, { "Content-Encoding": "zstd" })).status, 415);
  // One goes while its body is read, the others before that is begun.
  for (const [encoding, isHeld] of [
    ["gzip", false],
    ["gzip", true],
    ["identity", true],
  ] as const) {
    const before = { begun, ended };
    let release = (): void => {};
    if (isHeld) goOn = new Promise((resolve) => (release = resolve));
    const headers = { "Content-Type": "application/json", "Content-Encoding": encoding, "Content-Length": 1000 };
    const aborted = request(swarmUrl, { method: "POST", headers });
    aborted.on("error", () => {});
    aborted.write(encoding === "gzip" ? gzipSync(good).subarray(0, 20) : good);
    await until(() => begun === before.begun + 1);
    const connections = await app.connections();
    aborted.destroy();
    await eventually(async () => (await app.connections()) < connections, 5000);
    release();
    await until(() => ended === before.ended + 1);
    goOn = Promise.resolve();
  }
});

test("start() connects before the first request, and fails where the cluster is away", async (t) => {
  const app = await startApp(t);
  await Promise.all([app.serve.start(), app.serve.start()]);
  t.is(await app.serve.service.count("anything"), 0);

  const away = await startApp(t, { cluster: redis("redis://127.0.0.1:1") });
  t.is((await t.throwsAsync<GlobalChannelError>(away.serve.start())).code, "GC_STORE_UNAVAILABLE");
});

test("Koa takes it as one of its middlewares, and its options take functions of Koa's context", (t) => {
  const app = new Koa<Koa.DefaultState, { user: string }>();
  const serve = signal();
  app.use(serve).use((ctx) => void (ctx.body = ctx.user));
  const asKoas: Koa.Middleware = serve;
  t.is(asKoas, serve);
  new Koa().use(serve).use(signal({ limit: 1 }));
  const byHeader = signal({ address: (ctx: Koa.Context) => ctx.get("X-Real-IP") });
  new Koa().use(byHeader);
  t.is(typeof byHeader.start, "function");
});

test("while Redis is away requests get 503, the application is told, and it works again when Redis is back", async (t) => {
  const store = await startRedis();
  t.teardown(() => store.stop());
  const app = await startApp(t, { cluster: redis(store.url) });
  const [ann, bob] = await openSwarm(t, app.url);
  await untilAllHaveHeard([ann, bob!]);
  const before = app.errors.length;
  await store.kill();

  t.is((await send(`${app.url}/`)).status, 503);
  t.is((await send(ann.swarmUrl)).status, 503);
  t.is(await ann.post("anybody?"), 503);
  t.is((await send(`${app.url}/a/b`)).status, 404);
  const told = app.errors.slice(before) as (Error & { status: number; cause: GlobalChannelError })[];
  t.is(told.filter(({ status, cause }) => status === 503 && cause.temporary).length, 3);
  // Nobody can be told of it now but those at this process.
  ann.close();
  await bob!.ended;

  await store.restart();
  await eventually(async () => (await send(`${app.url}/`)).status === 201, RECONNECTION_MS);
  const [cat, dan] = await openSwarm(t, app.url);
  await untilAllHaveHeard([cat, dan!]);
});

test("a process of which the cluster does not know opens no swarm that nobody could join", async (t) => {
  const cluster = memory();
  let isKnown = true;
  const list: typeof cluster.registry.list = async (...args) => (isKnown ? cluster.registry.list(...args) : []);
  const app = await startApp(t, { cluster: { ...cluster, registry: replacing(cluster.registry, { list }) } });
  await openSwarm(t, app.url);
  isKnown = false;
  t.is((await send(`${app.url}/`)).status, 503);
  isKnown = true;
  await openSwarm(t, app.url);
  await until(() => app.serve.connector.stats.sessions === 4);
});

test("a first request while Redis is away gets 503, and a later one is served", async (t) => {
  const store = await startRedis();
  t.teardown(() => store.stop());
  await store.kill();
  const app = await startApp(t, { cluster: redis(store.url) });
  t.is((await send(`${app.url}/`)).status, 503);
  t.is((await send(`${app.url}/a/b`)).status, 404);
  t.is((await send(`${app.url}/`, { method: "OPTIONS" })).status, 404);
  await store.restart();
  await eventually(async () => (await send(`${app.url}/`)).status === 201, RECONNECTION_MS);
  await openSwarm(t, app.url);
});
