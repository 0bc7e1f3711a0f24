import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { GlobalChannelError } from "../../../src/errors.js";
import { RpcServer } from "../../../src/adapters/snapper/rpc/rpc-server.js";
import { encodeFrame } from "../../../src/adapters/snapper/wire/encode-frame.js";
import { Deferred, until } from "../../connectors/websocket-support.js";
import { HOST, RawClient, startServer, TOKEN } from "./support.js";

/** The codes of the answers with errors. */
function codesOf({ answers }: RawClient): unknown[] {
  return answers.flatMap(({ error }) => (error ? [(error as { code: number }).code] : []));
}

test("auth › a token is answered with OK", async (t) => {
  const { server } = await startServer(t);

  const client = await RawClient.authenticated(t, server.port);

  t.deepEqual(client.answers, [{ jsonrpc: "2.0", id: "auth", result: "OK" }]);
  t.is(server.connections, 1);
});

test("auth › what is no token is answered with 401, and its connection closed", async (t) => {
  const { server, log, errors } = await startServer(t);
  const wrong = [[], ["x"], [7], undefined, { token: TOKEN }, [`${TOKEN}x`]];

  for (const params of wrong) {
    const client = await RawClient.open(t, server.port);
    client.request(1, "auth", params);
    client.request(2, "publish", [["room", "message"]]);
    await client.closed();
    t.deepEqual(client.answers, [{ jsonrpc: "2.0", id: 1, error: { code: 401, message: "Unauthorized" } }]);
  }
  t.deepEqual(log.messages, []);
  t.is(errors.length, wrong.length);
  for (const error of errors) t.like(error, { code: "GC_INVALID_TOKEN" });
});

test("auth › whoever begins with something else is closed without an answer", async (t) => {
  const { server } = await startServer(t);
  const first = [
    { jsonrpc: "2.0", id: 1, method: "publish", params: [["room", "message"]] },
    { jsonrpc: "2.0", method: "auth", params: [TOKEN] },
    { jsonrpc: "2.0", id: 1, result: "OK" },
  ];

  for (const message of first) {
    const client = await RawClient.open(t, server.port);
    client.send(message);
    await client.closed();
    t.deepEqual(client.answers, []);
  }
});

test("auth › whoever says nothing, or half of it, is closed in time", async (t) => {
  const { server } = await startServer(t, { authTimeoutMs: 50 });
  const silent = await RawClient.open(t, server.port);
  const half = await RawClient.open(t, server.port);
  half.write("$100\r\n{");
  const startedAt = performance.now();

  await Promise.all([silent.closed(), half.closed()]);

  // By default it would be 10 s.
  t.true(performance.now() - startedAt < 9000);
  await until(() => server.connections === 0);
});

test("auth › before it, 16 KiB are the most, after it, maxFrameBytes", async (t) => {
  const { server } = await startServer(t, { maxFrameBytes: 100_000 });
  const early = await RawClient.open(t, server.port);
  early.write("$16385\r\n");
  await early.closed();
  const client = await RawClient.open(t, server.port);

  // In one piece with it, as old clients do.
  const auth = encodeFrame(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "auth", params: [TOKEN] }));
  const echo = { jsonrpc: "2.0", id: 2, method: "echo", params: ["x".repeat(90_000)] };
  client.write(Buffer.concat([auth, encodeFrame(JSON.stringify(echo))]));
  await until(() => client.answers.length === 2);
  t.is((client.answers[1]!["result"] as string[])[0]!.length, 90_000);

  client.write("$100001\r\n");
  await client.closed();
});

test("calls › of one connection are done one after the other, in their order", async (t) => {
  const order: string[] = [];
  const { server } = await startServer(t, {
    methods: {
      slow: async ([name]) => {
        order.push(`begin ${String(name)}`);
        await sleep(name === "a" ? 30 : 0);
        order.push(`end ${String(name)}`);
        return name;
      },
    },
  });
  const client = await RawClient.authenticated(t, server.port);

  client.request(1, "slow", ["a"]);
  client.send({ jsonrpc: "2.0", method: "slow", params: ["b"] });
  client.request("3", "slow", ["c"]);

  await until(() => client.answers.length === 3);
  t.deepEqual(
    order,
    ["a", "b", "c"].flatMap((name) => [`begin ${name}`, `end ${name}`]),
  );
  t.deepEqual(client.answers.slice(1), [
    { jsonrpc: "2.0", id: 1, result: "a" },
    { jsonrpc: "2.0", id: "3", result: "c" },
  ]);
});

test("calls › errors are those of JSON-RPC, and the connection goes on", async (t) => {
  const { server, errors } = await startServer(t, {
    methods: {
      wrong: () => {
        throw new GlobalChannelError("GC_INVALID_ARGUMENT", "it is wrong");
      },
      busy: () => Promise.reject(new GlobalChannelError("GC_STORE_UNAVAILABLE", "it is away")),
      broken: () => Promise.reject(new Error("a password")),
      big: () => 1n,
      nothing: () => {},
    },
  });
  const client = await RawClient.authenticated(t, server.port);

  for (const method of ["wrong", "busy", "broken", "big", "unknown", "constructor", "__proto__"])
    client.request(1, method);
  client.request(1, "echo", { by: "name" });
  client.request(1, "nothing");

  await until(() => client.answers.length === 10);
  t.deepEqual(codesOf(client), [-32_602, -32_603, -32_603, -32_603, -32_601, -32_601, -32_601, -32_602]);
  t.deepEqual(client.answers[1]!["error"], {
    code: -32_602,
    message: "it is wrong",
    data: { code: "GC_INVALID_ARGUMENT", temporary: false },
  });
  t.like(client.answers[2]!["error"], { data: { code: "GC_STORE_UNAVAILABLE", temporary: true } });
  t.deepEqual(client.answers[3]!["error"], { code: -32_603, message: "internal error" });
  t.deepEqual(client.answers[9], { jsonrpc: "2.0", id: 1, result: null });
  t.is(errors.length, 2);
});

test("calls › notifications are not answered, and what they fail with is told here", async (t) => {
  const { server, errors, log } = await startServer(t, {
    methods: { fails: () => Promise.reject(new GlobalChannelError("GC_STORE_UNAVAILABLE", "it is away")) },
  });
  const client = await RawClient.authenticated(t, server.port);

  for (const method of ["fails", "unknown"]) client.send({ jsonrpc: "2.0", method });
  client.send({ jsonrpc: "2.0", method: "publish", params: [["room", "message"]] });
  client.request(1, "echo", []);

  await until(() => client.answers.length === 2);
  t.deepEqual(log.messages, ["message"]);
  t.deepEqual(
    errors.map((error) => (error as GlobalChannelError).code),
    ["GC_STORE_UNAVAILABLE", "GC_INVALID_ARGUMENT"],
  );
});

test("calls › a method knows the id, who it is, and whether the client is gone", async (t) => {
  const seen: unknown[] = [];
  const { server } = await startServer(t, {
    methods: {
      look: async (_params, { id, session }) => {
        seen.push(id, session.identity["id"], session.isClosed, session.address.startsWith(HOST));
        await until(() => session.isClosed);
        seen.push(session.isClosed);
      },
    },
  });
  const client = await RawClient.authenticated(t, server.port);

  client.request("x", "look");
  await until(() => seen.length === 4);
  client.socket.resetAndDestroy();

  await until(() => seen.length === 5);
  t.deepEqual(seen, ["x", "tests", false, true, true]);
});

test("calls › a client that has too many unanswered is not read any more", async (t) => {
  const going = new Deferred<void>();
  const { server } = await startServer(t, { methods: { wait: () => going.promise } });
  const client = await RawClient.authenticated(t, server.port);
  client.request(0, "wait");
  const text = "x".repeat(10_000);
  const count = 3000;

  for (let id = 1; id <= count; id++) client.request(id, "echo", [text]);
  await sleep(300);

  // All of it would be 30 MB.
  const unsent = client.socket.writableLength;
  t.true(unsent > 15_000_000, `${unsent} bytes unsent`);
  going.resolve();
  await until(() => client.answers.length === count + 2);
});

test("calls › a client that takes no answers gets no more done", async (t) => {
  let done = 0;
  const answer = "x".repeat(100_000);
  const { server } = await startServer(t, {
    methods: {
      count: () => {
        done++;
        return answer;
      },
    },
  });
  const client = await RawClient.authenticated(t, server.port);
  client.socket.pause();

  for (let id = 1; id <= 400; id++) client.request(id, "count");
  let before = -1;
  while (before !== done) {
    before = done;
    await sleep(100);
  }

  t.true(done < 300, `${done}`);
  client.socket.resume();
  await until(() => client.answers.length === 401);
});

test("close › answers what is under way, does notifications that are on the way, and ends", async (t) => {
  const going = new Deferred<void>();
  const { server, log } = await startServer(t, { methods: { wait: () => going.promise } });
  const client = await RawClient.authenticated(t, server.port);
  const idle = await RawClient.authenticated(t, server.port);
  const newcomer = await RawClient.open(t, server.port);
  const { port } = server;
  client.request(1, "wait");
  client.request("late", "publish", [["room", "a request"]]);
  client.send({ jsonrpc: "2.0", method: "publish", params: [["room", "a notification"]] });
  await sleep(30);

  const closing = server.close();
  t.is(server.close(), closing);
  await Promise.all([idle.closed(), newcomer.closed()]);
  t.false(client.isClosed);
  going.resolve();
  await closing;

  await client.closed();
  t.deepEqual(client.answers.slice(1), [{ jsonrpc: "2.0", id: 1, result: null }]);
  t.deepEqual(log.messages, ["a notification"]);
  t.is(server.connections, 0);
  await t.throwsAsync(RawClient.open(t, port), { code: "ECONNREFUSED" });
});

test("close › who does not go, and what does not end, is not waited for beyond closeTimeoutMs", async (t) => {
  const { server } = await startServer(t, {
    closeTimeoutMs: 50,
    methods: { never: () => new Promise(() => {}) },
  });
  const client = await RawClient.authenticated(t, server.port);
  client.request(1, "never");
  const stubborn = connect({ port: server.port, host: HOST, allowHalfOpen: true });
  t.teardown(() => stubborn.destroy());
  stubborn.on("error", () => {});
  stubborn.write(encodeFrame(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "auth", params: [TOKEN] })));
  await once(stubborn, "data");

  await server.close();

  await client.closed();
  t.pass();
});

test("listen › a port that is taken is the system's error, a closed server one of ours", async (t) => {
  const { server, errors } = await startServer(t);
  const other = new RpcServer({ authenticate: () => 1, methods: {} });

  await t.throwsAsync(other.listen(server.port), { code: "EADDRINUSE" });
  t.throws(() => other.port, { code: "GC_NOT_STARTED" });
  await other.close();
  await t.throwsAsync(other.listen(0), { code: "GC_CLOSED" });
  t.deepEqual(errors, []);
});

test("options › wrong ones are refused", (t) => {
  const good = { authenticate: () => 1, methods: {} };
  for (const wrong of [
    { ...good, authenticate: undefined },
    { ...good, methods: null },
    { ...good, maxFrameBytes: 0 },
    { ...good, authTimeoutMs: -1 },
    { ...good, autTimeoutMs: 1 },
  ]) {
    t.throws(() => new RpcServer(wrong as unknown as typeof good), { code: "GC_INVALID_OPTION" });
  }
});
