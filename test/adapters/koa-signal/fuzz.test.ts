import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import test, { type ExecutionContext } from "ava";
import * as fc from "fast-check";
import { TcpClient, until } from "../../connectors/websocket-support.js";
import { unhandled } from "../../support/unhandled.js";
import { ADDRESS, KOA_VERSIONS, openSwarm, send, startApp, untilNothingIsLeft, type App } from "./support.js";

// Whatever clients send harms nobody else, and is answered as the document says.

/** What may be answered to what a client sends. */
const STATUSES = new Set([200, 201, 400, 401, 404, 406, 413, 415]);

/** What a name or a value may be that is taken for something else. */
const TRICKY = [
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "prototype",
  "",
  "0",
  "null",
  "undefined",
  "[object Object]",
];

/** An application with a swarm that must get all its signals, once and in order, whatever other clients do. */
async function startWithGoodSwarm(t: ExecutionContext, koa: (typeof KOA_VERSIONS)["Koa 3"]) {
  const app = await startApp(t, { limit: 3000 }, { koa });
  const swarm = await openSwarm(t, app.url);
  const [ann, bob] = swarm;
  let sent = 0;

  async function checkGoodSwarm(): Promise<void> {
    const status = await ann.post(sent++, sent % 2 === 0 ? bob!.cid : undefined);
    if (status !== 200) throw new Error(`the good peer is refused with ${status}`);
  }

  async function checkAll(): Promise<void> {
    await until(() => bob!.signals.length >= sent);
    t.deepEqual(
      bob!.signals,
      Array.from({ length: sent }, (_, i) => i),
    );
    t.deepEqual(
      ann.signals,
      Array.from({ length: sent }, (_, i) => i).filter((i) => i % 2 === 0),
    );
    // Whoever has joined has left.
    await until(() => ann.messages("join").length === ann.messages("leave").length + 1);
    ann.close();
    await bob!.ended;
    await untilNothingIsLeft(app, [ann.id]);
    t.deepEqual(app.errors.filter((error) => !isClients(error)).map(String), []);
  }

  return { app, ann, bob: bob!, checkGoodSwarm, checkAll };
}

/** Whether it is what a client has done wrong, as HTTP or its parser says, or that it has gone away. */
function isClients(error: Error): boolean {
  const { status = 0, code = "" } = error as { status?: number; code?: string };
  return (status >= 400 && status < 500) || /^(ECONNRESET|EPIPE|HPE_.*)$/.test(code);
}

/** Sends bytes as they are, and goes away. */
async function sendBytes(
  t: ExecutionContext,
  { port }: App,
  chunks: readonly (string | Uint8Array)[],
  polite: boolean,
) {
  const client = new TcpClient(connect(port, ADDRESS));
  t.teardown(() => client.socket.destroy());
  for (const chunk of chunks) client.socket.write(chunk);
  await new Promise((resolve) => setTimeout(resolve, 3));
  if (polite) client.socket.end();
  else client.socket.resetAndDestroy();
  // One that keeps its half of the connection open is not waited for.
  setTimeout(() => client.socket.destroy(), 20);
  await client.closed;
  return client.received.toString("latin1");
}

const tricky = fc.constantFrom(...TRICKY);
const hexId = fc.stringMatching(/^[0-9a-f]{32}$/);
const accept = fc.oneof(
  fc.constantFrom(undefined, "*/*", "text/*", "text/event-stream", "text/event-stream;q=0", ";;;,q=", "text/html"),
  fc.stringMatching(/^[ -~]{0,40}$/),
);
const contentType = fc.constantFrom(
  "application/json",
  "application/json",
  "application/x-www-form-urlencoded",
  "application/json; charset=utf-16",
  "text/plain",
  "multipart/form-data",
  "__proto__/x",
  "",
);

/** Deep, and in the two ways in which it may be written. */
const deep = fc
  .nat(1200)
  .chain((depth) =>
    fc.constantFrom(
      `{"data":${"[".repeat(depth)}${"]".repeat(depth)}}`,
      `{"data":${'{"a":'.repeat(depth / 4)}1${"}".repeat(depth / 4)}}`,
      `data${"[a]".repeat(depth / 3)}=1`,
    ),
  );

function bodies({ token, cids }: { token: string; cids: readonly string[] }) {
  const field = fc.oneof(tricky, fc.jsonValue(), hexId, fc.constantFrom(token, ...cids));
  const json = fc
    .record({ token: field, data: field, cid: field, ["__proto__"]: fc.constant(1) }, { requiredKeys: [] })
    .map((value) => JSON.stringify(value));
  const form = fc
    .array(
      fc.tuple(
        fc.constantFrom("token", "data", "cid", "data[a]", "data[__proto__][x]", "token[]", "data.a"),
        fc.oneof(tricky, fc.string()),
      ),
    )
    .map((pairs) =>
      pairs.map(([name, value]) => `${name}=${value.isWellFormed() ? encodeURIComponent(value) : "%ZZ"}`).join("&"),
    );
  return fc
    .oneof(
      json,
      form,
      deep,
      fc.json(),
      json.map((text) => text.slice(0, -1)),
      fc.string({ unit: "binary", maxLength: 100 }),
      fc.nat(20_000).map((length) => `{"data":"${"x".repeat(length)}"}`),
      fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    )
    .map((body) => Buffer.from(body as string));
}

for (const [version, koa] of Object.entries(KOA_VERSIONS)) {
  test.serial(`${version}: any requests harm nobody else, and are answered as documented`, async (t) => {
    const seen = unhandled(t);
    const { app, ann, checkGoodSwarm, checkAll } = await startWithGoodSwarm(t, koa);
    const stranger = (await openSwarm(t, app.url, 0))[0];
    const path = fc.oneof(
      fc.constantFrom("", ann.id, ann.id, `${ann.id}/`, `${ann.id}:initiator`, stranger.id),
      tricky,
      hexId,
      fc.stringMatching(/^[!-~]{0,60}$/).map((text) => text.replaceAll("#", "")),
      fc.webPath(),
    );
    // Its tokens are those of another swarm: the good one's are as good as its own.
    const body = bodies({ token: stranger.token, cids: [ann.cid, stranger.cid] });
    const request = fc.record({
      method: fc.constantFrom("GET", "GET", "POST", "POST", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"),
      path,
      accept,
      contentType,
      encoding: fc.constantFrom(undefined, undefined, undefined, "gzip", "real gzip", "br", "zip", "__proto__"),
      chunked: fc.boolean(),
      body,
    });

    await fc.assert(
      fc.asyncProperty(request, async (sent) => {
        const headers = {
          ...(sent.accept !== undefined && { Accept: sent.accept }),
          ...(sent.method === "POST" && { "Content-Type": sent.contentType }),
          ...(sent.method === "POST" && sent.encoding && { "Content-Encoding": sent.encoding.replace("real ", "") }),
        };
        const given = sent.encoding === "real gzip" ? gzipSync(sent.body) : sent.body;
        const rest = sent.method === "POST" ? { body: given, chunked: sent.chunked } : {};
        const answer = await send(`${app.url}/${sent.path}`, { method: sent.method, headers, ...rest });
        if (!STATUSES.has(answer.status)) throw new Error(`answered with ${answer.status}`);
        await checkGoodSwarm();
      }),
      { numRuns: 600 },
    );

    stranger.close();
    await checkAll();
    t.deepEqual(seen, []);
    t.is(({} as { x?: unknown }).x, undefined);
  });

  test.serial(`${version}: any bytes on the port harm only the client that sends them`, async (t) => {
    const seen = unhandled(t);
    const { app, ann, checkGoodSwarm, checkAll } = await startWithGoodSwarm(t, koa);
    const head = fc
      .record({
        method: fc.constantFrom("GET", "POST", "PUT", "CONNECT", "get", "PRI"),
        path: fc.constantFrom(
          "/",
          `/${ann.id}`,
          `http://a/${ann.id}`,
          "*",
          "//",
          "/%",
          "",
          "/?",
          `/${"a".repeat(300)}`,
        ),
        version: fc.constantFrom("HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", ""),
        headers: fc.constantFrom(
          "Host: a\r\n",
          "Host: a\r\nContent-Type: application/json\r\nContent-Length: 5\r\n",
          "Host: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n",
          "Host: a\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 5000\r\n",
          "Host: a\r\nContent-Length: 99999999999999999999\r\n",
          "Host: a\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: 5\r\n",
          "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
          "Host: a\r\nLast-Event-ID: \u0000\r\n",
          "",
        ),
        body: fc.constantFrom("", "{}", "hello", "5\r\nhello\r\n0\r\n\r\n", "ffffffffff\r\n", "\u001f\u008b\b"),
      })
      .map(({ method, path, version: http, headers, body }) => `${method} ${path} ${http}\r\n${headers}\r\n${body}`);
    const chunk = fc.oneof({ weight: 3, arbitrary: head }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) });

    await fc.assert(
      fc.asyncProperty(fc.array(chunk, { maxLength: 6 }), fc.boolean(), async (chunks, polite) => {
        const received = await sendBytes(t, app, chunks, polite);
        for (const [, status] of received.matchAll(/^HTTP\/1\.1 (\d+)/gm)) {
          // 1xx, and what Node.js itself refuses a head with.
          if (!STATUSES.has(Number(status)) && !["100", "431", "417", "408"].includes(status!)) {
            throw new Error(`answered with ${status}`);
          }
        }
        await checkGoodSwarm();
      }),
      { numRuns: 200 },
    );

    await checkAll();
    t.deepEqual(seen, []);
  });
}
