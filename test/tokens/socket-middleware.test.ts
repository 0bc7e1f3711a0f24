import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import * as fc from "fast-check";
import { Server, type Socket } from "socket.io";
import { io, type ManagerOptions, type Socket as ClientSocket, type SocketOptions } from "socket.io-client";
import { WebSocket } from "ws";
import { GlobalChannelError, memory } from "../../src/index.js";
import { OneTimeTokens } from "../../src/tokens/one-time-tokens.js";
import { nonceVerifier, tokenMiddleware, type ConnectingSocket } from "../../src/tokens/socket-middleware.js";
import { eventually } from "../cluster/cluster.js";

type ConnectError = Error & { data?: unknown };
type ClientOptions = Partial<ManagerOptions & SocketOptions>;

/** A real server whose sockets need a token. */
async function startServer(t: ExecutionContext, verify?: (token: string) => Promise<unknown>) {
  const tokens = new OneTimeTokens({ store: memory().tokens! });
  const http = createServer();
  const server = new Server(http, { allowEIO3: true });
  const reports: GlobalChannelError[] = [];
  const attached: unknown[] = [];
  const options = {
    attach: (socket: Socket, payload: unknown) => (socket.data.payload = payload),
    report: (error: GlobalChannelError) => void reports.push(error),
  };
  for (const namespace of [server.sockets, server.of("/other")]) {
    namespace.use(tokenMiddleware(verify ?? ((token) => tokens.useToken(token)), options));
    namespace.on("connection", (socket: Socket) => attached.push(socket.data.payload));
  }
  server.of("/open");
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  t.teardown(() => server.close());
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;

  /** Resolves what became of a client. */
  async function connect(
    given: ClientOptions,
    namespace = "",
  ): Promise<{ client: ClientSocket; error?: ConnectError }> {
    const client = io(url + namespace, { forceNew: true, reconnection: false, ...given });
    t.teardown(() => client.disconnect());
    return new Promise((resolve) => {
      client.once("connect", () => resolve({ client }));
      client.once("connect_error", (error: ConnectError) => resolve({ client, error }));
    });
  }

  /** How many connections there are, let in or not. */
  const connections = (): number => server.engine.clientsCount;
  return { tokens, server, url, connect, connections, attached, reports };
}

const TRANSPORTS = [["websocket"], ["polling"], ["polling", "websocket"]];

for (const transports of TRANSPORTS) {
  const how = transports.join(" and ");

  test(`${how}: a token lets one client in, in auth or in the query, and whoever uses it again is refused and cut off`, async (t) => {
    const { tokens, connect, connections, attached, reports } = await startServer(t);

    for (const where of ["auth", "query"]) {
      const payload = { uid: `ann ${where}` };
      const token = await tokens.createToken(payload);

      const first = await connect({ transports, [where]: { token } });
      t.is(first.error, undefined);
      t.deepEqual(attached, [payload]);

      const second = await connect({ transports, [where]: { token } });
      t.is(second.error?.message, "INVALID_TOKEN");
      t.is(second.error?.data, undefined);
      await eventually(() => connections() === 1, 5000);

      t.true(first.client.connected);
      first.client.disconnect();
      await eventually(() => connections() === 0, 5000);
      attached.length = 0;
    }
    t.deepEqual(reports, []);
  });

  test(`${how}: whose token cannot be checked is told whether to try again, and is cut off`, async (t) => {
    const away = new GlobalChannelError("GC_STORE_UNAVAILABLE", "Redis cannot be reached");
    const { connect, connections, reports } = await startServer(t, () => Promise.reject(away));

    const { error } = await connect({ transports, auth: { token: "x" } });

    t.is(error?.message, "TOKEN_NOT_CHECKED");
    t.deepEqual(error?.data, { code: "GC_STORE_UNAVAILABLE", temporary: true });
    t.deepEqual(reports, [away]);
    await eventually(() => connections() === 0, 5000);
  });
}

test("what is no token is refused without asking", async (t) => {
  const asked: string[] = [];
  const { connect, connections } = await startServer(t, async (token) => void asked.push(token));
  const bad: ClientOptions[] = [
    ...[{}, { auth: {} }, { auth: { token: "" } }, { query: { token: "" } }, { auth: { token: 7 } }],
    ...[{ auth: { token: ["a"] } }, { auth: { token: { a: 1 } } }, { auth: { token: false }, query: { token: "a" } }],
    ...[{ auth: { token: "x".repeat(4097) } }, { query: { token: "x".repeat(4097) } }],
  ];

  for (const options of bad) {
    const { error } = await connect({ transports: ["websocket"], ...options });
    t.is(error?.message, "INVALID_TOKEN", JSON.stringify(options));
  }
  t.deepEqual(asked, []);
  await eventually(() => connections() === 0, 5000);

  t.is((await connect({ transports: ["websocket"], auth: { token: "x".repeat(4096) } })).error, undefined);
  t.is((await connect({ transports: ["websocket"], auth: { token: null }, query: { token: "q" } })).error, undefined);
  t.deepEqual(asked, ["x".repeat(4096), "q"]);
});

test("a client that does not close its connection itself is cut off, with what else it has on it", async (t) => {
  const { server, url, connections } = await startServer(t);

  const received = await speak(url, ["40/open,", '40{"token":"forged"}']);

  t.true(received.includes('44{"message":"INVALID_TOKEN"}'), received.join(" "));
  t.is(connections(), 0);
  t.is(server.of("/open").sockets.size, 0);
});

test("a namespace whose token is refused takes a connection with it, and one with a token is let in", async (t) => {
  const { tokens, connect, attached } = await startServer(t);
  const { error } = await connect({ auth: { token: await tokens.createToken("ann") } }, "/other");
  t.is(error, undefined);
  t.deepEqual(attached, ["ann"]);
  t.is((await connect({ auth: { token: "forged" } }, "/other")).error?.message, "INVALID_TOKEN");
});

test("what the application's own functions throw keeps a socket out, and is reported", async (t) => {
  const cause = new TypeError("no");
  const { connect, connections, reports } = await startServer(t, async () => {
    throw cause;
  });

  const { error } = await connect({ auth: { token: "x" } });

  t.is(error?.message, "TOKEN_NOT_CHECKED");
  t.deepEqual(error?.data, { code: "GC_LISTENER_FAILED", temporary: false });
  t.is(reports[0]?.cause, cause);
  await eventually(() => connections() === 0, 5000);
});

test("a client that leaves while its token is checked harms nothing", async (t) => {
  let done = (): void => {};
  const { server, url, connections, attached } = await startServer(
    t,
    () => new Promise((resolve) => (done = () => resolve("ann"))),
  );
  const client = io(url, { forceNew: true, transports: ["websocket"], auth: { token: "x" }, reconnection: false });
  await eventually(() => connections() === 1, 5000);
  await sleep(50);
  client.disconnect();
  await eventually(() => connections() === 0, 5000);

  done();
  await sleep(50);

  t.deepEqual(attached, []);
  t.is(server.sockets.sockets.size, 0);
});

/** Says something by a plain WebSocket, which does not end by itself. Resolves what came until it was closed. */
async function speak(url: string, packets: string[]): Promise<string[]> {
  const client = new WebSocket(`${url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
  const received: string[] = [];
  client.on("message", (data: Buffer) => received.push(data.toString()));
  await once(client, "open");
  for (const packet of packets) client.send(packet);
  await once(client, "close");
  // What comes first tells of the connection.
  return received.slice(1);
}

/** A middleware on a socket that is none. */
async function admit(handshake: unknown, verify: (token: string) => Promise<unknown>): Promise<Error | undefined> {
  const socket = { handshake, conn: { close: () => {} } } as ConnectingSocket;
  const middleware = tokenMiddleware(verify, { attach: () => {}, report: () => {} });
  return new Promise((resolve) => middleware(socket, resolve));
}

test("a token that the query has several times is refused where Socket.IO gives all of them", async (t) => {
  const asked: string[] = [];
  const error = await admit({ auth: {}, query: { token: ["a", "b"] } }, async (token) => void asked.push(token));
  t.is(error?.message, "INVALID_TOKEN");
  t.deepEqual(asked, []);
});

test("any handshake is let in or refused, once, and verified only with strings", async (t) => {
  const asked: unknown[] = [];
  const anything = fc.oneof(fc.anything(), fc.string());
  const handshake = fc.record({ auth: fc.record({ token: anything }), query: fc.record({ token: anything }) });
  const property = fc.asyncProperty(handshake, async (given) => {
    const error = await admit(given, async (token) => void asked.push(token));
    return error === undefined || error.message === "INVALID_TOKEN";
  });
  await t.notThrowsAsync(fc.assert(property, { numRuns: 1000 }));
  t.true(asked.length > 0 && asked.every((token) => typeof token === "string" && token !== ""));
});

test("nonceVerifier: the payload of a nonce's first answer, or that its token is refused", async (t) => {
  const refused = { code: "GC_INVALID_TOKEN" };
  const verify = (verifyNonce: Parameters<typeof nonceVerifier>[0]["verifyNonce"]) =>
    nonceVerifier({ verifyNonce })("x");

  t.is(await verify((token, callback) => callback(null, `payload of ${token}`)), "payload of x");
  t.is(await verify((_token, callback) => setImmediate(callback, undefined, 7)), 7);
  t.is(await verify((_token, callback) => [callback(null, 1), callback(new Error("late")), callback(null, 2)]), 1);
  const after = (_token: string, callback: (error: unknown, payload?: unknown) => void): never => {
    callback(null, 1);
    throw new Error("late");
  };
  t.is(await verify(after), 1);

  const cause = new Error("no such nonce x");
  const error = await t.throwsAsync(
    verify((_token, callback) => callback(cause)),
    refused,
  );
  t.is(error.cause, cause);
  t.false(error.message.includes("x:"));
  await t.throwsAsync(
    verify((_token, callback) => callback("expired")),
    refused,
  );
  // It could not check.
  const thrown = verify(() => {
    throw cause;
  });
  t.is(await t.throwsAsync(thrown), cause);
  t.is(await t.throwsAsync(verify(() => Promise.reject(cause))), cause);
  await t.throwsAsync(
    verify((_token, callback) => [callback(cause), callback(null, 1)]),
    refused,
  );
});

test("nonceVerifier: the nonce is called as its method", async (t) => {
  class Nonces {
    readonly secret = 7;
    verifyNonce(_token: string, callback: (error: unknown, payload?: unknown) => void): void {
      callback(null, this.secret);
    }
  }
  t.is(await nonceVerifier(new Nonces())("x"), 7);
});

test("nonceVerifier: one that never calls back is not waited for longer than 10 s", async (t) => {
  const startedAt = performance.now();
  await t.throwsAsync(nonceVerifier({ verifyNonce: () => {} })("x"), { code: "GC_TIMEOUT" });
  const ms = performance.now() - startedAt;
  t.true(ms > 9900 && ms < 12_000, `${ms}`);
});
