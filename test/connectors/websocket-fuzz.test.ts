import test, { type ExecutionContext } from "ava";
import * as fc from "fast-check";

import { clientFrame, message, startConnector, until, checkOnlyGoodIsLeft, failedOf } from "./websocket-support.js";

/** A connector with a client that must get its pushes whatever other clients do. */
async function startWithGoodClient(t: ExecutionContext) {
  const started = await startConnector(t, { maxClientMessageBytes: 2000 });
  const good = await started.openSession("good");

  async function checkGoodClient(): Promise<void> {
    const { length } = good.received;
    const failed = failedOf(started.connector.deliver(new Set(["good"]), message("chat", length)));
    if (failed.length > 0) throw new Error("no session");
    await until(() => good.received.length > length);
    if (good.received.at(-1)!.msg !== length) throw new Error(`got ${JSON.stringify(good.received.at(-1))}`);
  }

  return { ...started, checkGoodClient, checkOthersGone: () => checkOnlyGoodIsLeft(t, started) };
}

const frame = fc.oneof(
  fc.string({ unit: "binary", maxLength: 3000 }),
  fc.json(),
  fc
    .record({ route: fc.oneof(fc.string(), fc.jsonValue()), msg: fc.jsonValue() })
    .map((value) => JSON.stringify(value)),
  fc.uint8Array({ maxLength: 3000 }),
);

test("any messages harm only the client that sends them", async (t) => {
  const { checkGoodClient, checkOthersGone, connectClient } = await startWithGoodClient(t);

  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(frame, fc.boolean()), { maxLength: 20 }), async (frames) => {
      const bad = await connectClient("bad");
      for (const [data, fin] of frames) bad.ws.send(data, { fin });
      await checkGoodClient();
      bad.ws.close();
      await bad.closed;
    }),
    { numRuns: 200 },
  );

  await checkOthersGone();
});

/** Frames as clients send them, but for a first byte (FIN, reserved bits and opcode) that may be anything. */
const rawFrame = fc
  .tuple(fc.nat(255), fc.string({ maxLength: 100 }))
  .map(([first, payload]) => Buffer.concat([Buffer.from([first]), clientFrame(1, payload).subarray(1)]));

for (const [title, upgraded, bytes] of [
  ["bytes instead of a handshake", false, fc.uint8Array({ maxLength: 300 })],
  ["bytes after the handshake", true, fc.uint8Array({ maxLength: 300 })],
  ["kinds of frame after the handshake", true, rawFrame],
] as const) {
  test(`any ${title} harm only the client that sends them`, async (t) => {
    const { checkGoodClient, checkOthersGone, openTcp } = await startWithGoodClient(t);

    await fc.assert(
      fc.asyncProperty(fc.array(bytes, { maxLength: 5 }), fc.boolean(), async (chunks, polite) => {
        const bad = await openTcp();
        if (upgraded) await bad.upgrade("bad");
        for (const chunk of chunks) bad.socket.write(chunk);
        await checkGoodClient();
        if (polite) bad.socket.end();
        else bad.socket.resetAndDestroy();
        await bad.closed;
      }),
      { numRuns: 200 },
    );

    await checkOthersGone();
  });
}
