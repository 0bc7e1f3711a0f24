import test, { type ExecutionContext } from "ava";
import type { SseConnectorOptions } from "../../src/connectors/sse/connector.js";
import { diagnosticsOf } from "../support/diagnostics.js";
import { checkNumbers, type Client, NOBODY, type Started, startConnector } from "./sse-support.js";
import { message, until } from "./websocket-support.js";

const MAX_BUFFERED_BYTES = 150_000;

/** A connector with a client `slow` that reads nothing. */
async function startWithSlow(t: ExecutionContext, history?: SseConnectorOptions["history"]) {
  const started = await startConnector(t, { maxBufferedBytes: MAX_BUFFERED_BYTES, history });
  const slow = await started.connectClient("slow");
  slow.pause();
  return { ...started, slow };
}

/** Pushes until the client that does not read is too slow; each push waits for the client that reads. */
async function pushUntilSlow({ connector }: Started, good: Client) {
  const body = message("chat", "x".repeat(100_000));
  let outcome: unknown;
  let pushes = 0;
  while (connector.stats.slowClosed === 0) {
    outcome = connector.deliver(new Set(["slow", "good"]), body);
    pushes++;
    await until(() => good.events.length === pushes);
  }
  return outcome;
}

test("a slow client › is closed, told of and failed; others get everything", async (t) => {
  const started = await startWithSlow(t);
  const { connector, host, slow, responses } = started;
  const told = diagnosticsOf(t, "globalchannel:slow-client", (client) => client.connector === connector);
  const good = await started.connectClient("good");

  const failed = await pushUntilSlow(started, good);
  slow.response!.resume();
  await slow.closed;

  t.deepEqual(failed, ["slow"]);
  t.true(responses[0]!.destroyed);
  t.false(slow.response!.complete);
  t.deepEqual(host.events, ["opened slow", "opened good", "closed slow"]);
  t.deepEqual(connector.stats, { sessions: 1, kept: 0, users: 1, slowClosed: 1 });
  t.deepEqual(told, [{ connector, uid: "slow", bufferedBytes: told[0]!.bufferedBytes }]);
  // At most one message more than the limit, and what is being sent.
  t.true(
    told[0]!.bufferedBytes > MAX_BUFFERED_BYTES && told[0]!.bufferedBytes < 1_000_000,
    `${told[0]!.bufferedBytes}`,
  );
  t.deepEqual(connector.deliver(new Set(["slow"]), message("chat", 1)), ["slow"]);
});

test("a slow client › does not fail its user while another session of the user takes the message", async (t) => {
  const started = await startWithSlow(t);
  const good = await started.connectClient("slow");

  const failed = await pushUntilSlow(started, good);

  t.deepEqual(failed, ["good"], "nobody has that uid here");
});

test("a slow client › of deliverToAll is not counted", async (t) => {
  const { connector, connectClient } = await startWithSlow(t);
  const good = await connectClient("good");
  const news = message("news", "x".repeat(100_000));
  const counts: unknown[] = [];

  while (connector.stats.slowClosed === 0) {
    counts.push(connector.deliverToAll(news, NOBODY));
    await until(() => good.events.length === counts.length);
  }

  t.is(counts.shift(), 2);
  t.is(counts.pop(), 1);
  t.true(counts.every((count) => count === 2));
});

for (const [title, history] of [
  ["without a history", undefined],
  ["with a history", {}],
] as const) {
  test(`a slow client › is not one that reads, where a tick has more than maxBufferedBytes for it, ${title}`, async (t) => {
    const { connector, connectClient } = await startConnector(t, { maxBufferedBytes: 10_000, history });
    const client = await connectClient("ann");

    for (let tick = 1; tick <= 5; tick++) {
      for (let i = 0; i < 20; i++) {
        t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", "x".repeat(5000))), []);
      }
      await until(() => client.events.length === 20 * tick);
    }

    t.is(connector.stats.slowClosed, 0);
  });
}

test("a slow client › with a history loses its connection, not its session, and is unknown; it may come back for the rest", async (t) => {
  const started = await startWithSlow(t, { size: 10 });
  const { connector, host, slow, connectClient, comeBack } = started;
  const good = await connectClient("good");
  let pushed = 0;
  let outcome: unknown;

  while (connector.stats.slowClosed === 0) {
    outcome = connector.deliver(new Set(["slow", "good"]), numbered(pushed++));
    await until(() => good.events.length === pushed);
  }
  t.deepEqual(outcome, { failed: [], unknown: ["slow"] });
  t.deepEqual(connector.stats, { sessions: 2, kept: 1, users: 2, slowClosed: 1 });
  slow.response!.resume();
  await slow.closed;
  const back = await comeBack("slow", slow);
  t.deepEqual(connector.deliver(new Set(["slow"]), numbered(pushed++)), []);
  await until(() => numbersOf(back).at(-1)?.msg === pushed - 1);

  t.is(checkNumbers(t, { received: [...numbersOf(slow), ...numbersOf(back)] }), pushed);
  t.deepEqual(host.events, ["opened slow", "opened good"]);
});

/** A message of some size which says which one it is. */
function numbered(n: number) {
  return message("chat", [n, "x".repeat(50_000)]);
}

function numbersOf({ received }: Client) {
  return received.map(({ route, msg }) => ({ route, msg: Array.isArray(msg) ? (msg[0] as unknown) : msg }));
}

test("a slow client › is closed by stop and by the end of its time as any other kept one", async (t) => {
  const started = await startWithSlow(t, { ttlMs: 50 });
  const { connector, host } = started;

  await pushUntilSlow(started, await started.connectClient("good"));
  await until(() => connector.stats.kept === 0);

  t.deepEqual(host.events, ["opened slow", "opened good", "closed slow"]);
});
