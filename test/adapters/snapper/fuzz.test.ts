import test, { type ExecutionContext } from "ava";
import * as fc from "fast-check";
import { encodeFrame } from "../../../src/adapters/snapper/wire/encode-frame.js";
import { until } from "../../connectors/websocket-support.js";
import { unhandled } from "../../support/unhandled.js";
import { RawClient, startServer, TOKEN } from "./support.js";

// Whatever one client sends harms no other, and closes its connection where it is not of the protocol.

const call = (message: unknown): Buffer => encodeFrame(JSON.stringify({ jsonrpc: "2.0", ...(message as object) }));
const AUTH = call({ id: 0, method: "auth", params: [TOKEN] });

/** A server with a client whose requests must all be answered, in their order, whatever others do. */
async function startWithGoodClient(t: ExecutionContext) {
  const serve = await startServer(t, { maxFrameBytes: 20_000 });
  const good = await RawClient.authenticated(t, serve.server.port);
  let asked = 0;
  async function checkGood(): Promise<void> {
    asked++;
    good.request(asked, "echo", [asked]);
    await until(() => good.answers.length === asked + 1);
    const last = good.answers.at(-1);
    if (last!["id"] !== asked) throw new Error(`the good client is answered ${JSON.stringify(last)}`);
  }
  return { ...serve, checkGood };
}

/** What closes a connection, whoever sends it. */
const BAD: Record<string, Buffer> = {
  "no frame": Buffer.from("GET / HTTP/1.1\r\n\r\n"),
  TLS: Buffer.from("16030100a5010000a10303", "hex"),
  "another kind of RESP": Buffer.from("*1\r\n$4\r\nPING\r\n"),
  "a null": Buffer.from("$-1\r\n"),
  "no length": Buffer.from("$\r\n"),
  "a length that is none": Buffer.from("$1e3\r\n"),
  "a length with an end of its own": Buffer.from("$2\n{}\r\n"),
  "an oversized one": Buffer.from("$20001\r\n"),
  "a length without an end": Buffer.from(`$${"0".repeat(100)}`),
  "a wrong end": Buffer.from("$2\r\n{}xx"),
  "an end that is half wrong": Buffer.from("$2\r\n{}\rx"),
  "nothing in it": encodeFrame(""),
  "no JSON": encodeFrame("{"),
  "JSON twice": encodeFrame("{}{}"),
  "invalid UTF-8": Buffer.concat([Buffer.from('$4\r\n"'), Buffer.from([0xff, 0xfe]), Buffer.from('"\r\n')]),
  "a deep one": call({ id: 1, method: "echo", params: JSON.parse("[".repeat(100) + "]".repeat(100)) as unknown }),
  "a very deep one": encodeFrame("[".repeat(19_000)),
  "no JSON-RPC": encodeFrame('{"id":1,"method":"echo"}'),
  "another version": encodeFrame('{"jsonrpc":"1.0","id":1,"method":"echo"}'),
  "a batch": encodeFrame('[{"jsonrpc":"2.0","id":1,"method":"echo"}]'),
  "no object": encodeFrame("null"),
  "a text": encodeFrame('"auth"'),
  "no method": call({ id: 1 }),
  "a method that is no text": call({ id: 1, method: 1 }),
  "an answer": call({ id: 1, result: "OK" }),
  "an id that is none": call({ id: {}, method: "echo" }),
  "an id that is null": call({ id: null, method: "echo" }),
  "an id that is no integer": call({ id: 1.5, method: "echo" }),
  "a long id": call({ id: "x".repeat(257), method: "echo" }),
  "params that are none": call({ id: 1, method: "echo", params: "x" }),
};

for (const [what, bytes] of Object.entries(BAD)) {
  test(`fuzz › ${what} closes that connection, and no other`, async (t) => {
    const { server, log, errors, checkGood } = await startWithGoodClient(t);
    const early = await RawClient.open(t, server.port);
    const late = await RawClient.authenticated(t, server.port);

    early.write(bytes);
    for (const byte of bytes) late.write(Buffer.from([byte]));
    late.send({ jsonrpc: "2.0", method: "publish", params: [["room", "too late"]] });

    await Promise.all([early.closed(), late.closed()]);
    await checkGood();
    t.deepEqual(early.answers, []);
    t.is(late.answers.length, 1);
    t.deepEqual(log.messages, []);
    t.is(errors.length, 2);
    for (const error of errors) t.like(error, { code: "GC_PROTOCOL_ERROR" });
    await until(() => server.connections === 1);
  });
}

test("fuzz › half a frame waits, and its client may go", async (t) => {
  const { server, errors, checkGood } = await startWithGoodClient(t);
  for (const bytes of ["$", "$1", "$10\r", "$10\r\n", '$10\r\n{"js', "$10\r\n0123456789\r"]) {
    for (const end of ["destroy", "end", "resetAndDestroy"] as const) {
      const client = await RawClient.authenticated(t, server.port);
      client.write(bytes);
      await checkGood();
      t.false(client.isClosed);
      client.socket[end]();
      await client.closed();
    }
  }
  await until(() => server.connections === 1);
  t.deepEqual(errors, []);
});

/** Calls that are right, to be damaged, or not. */
const anyCall = fc
  .oneof(
    fc.record(
      {
        id: fc.oneof(fc.integer(), fc.string({ maxLength: 20 }), fc.constant(undefined)),
        method: fc.oneof(
          fc.constantFrom("echo", "publish", "auth", "__proto__", "toString"),
          fc.string({ maxLength: 10 }),
        ),
        params: fc.oneof(
          fc.array(fc.jsonValue({ maxDepth: 3 }), { maxLength: 4 }),
          fc.constant({}),
          fc.constant(undefined),
        ),
      },
      { noNullPrototype: true },
    ),
    fc.jsonValue({ maxDepth: 3 }),
  )
  .map((value) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? call(value)
      : encodeFrame(JSON.stringify(value)),
  );

const damaged = fc.tuple(anyCall, fc.nat(), fc.nat({ max: 255 })).map(([bytes, at, byte]) => {
  const copy = Buffer.from(bytes);
  copy[at % copy.length] = byte;
  return copy;
});

const anyBytes = fc.oneof(
  { weight: 4, arbitrary: anyCall },
  { weight: 2, arbitrary: damaged },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)) },
);

test("fuzz › bytes of any kind, split anywhere, before or after the token, harm nobody else", async (t) => {
  const seen = unhandled(t);
  const { server, checkGood } = await startWithGoodClient(t);

  await fc.assert(
    fc.asyncProperty(
      fc.boolean(),
      fc.array(anyBytes, { maxLength: 5 }),
      fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 5 }),
      fc.constantFrom("destroy", "end", "resetAndDestroy"),
      async (hasToken, parts, lengths, end) => {
        const client = await RawClient.open(t, server.port);
        const bytes = Buffer.concat(hasToken ? [AUTH, ...parts] : parts);
        for (let offset = 0, turn = 0; offset < bytes.length; turn++) {
          const length = lengths[turn % lengths.length]!;
          client.write(bytes.subarray(offset, offset + length));
          offset += length;
        }
        await checkGood();
        client.socket[end as "destroy"]();
        await client.closed();
      },
    ),
    { numRuns: 500 },
  );

  await until(() => server.connections === 1);
  t.deepEqual(seen, []);
});
