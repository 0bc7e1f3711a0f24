import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { diagnosticsOf } from "../support/diagnostics.js";
import { type Client, connectionsOf, startConnector } from "./socket-io-support.js";
import { message, until } from "./websocket-support.js";

type Started = Awaited<ReturnType<typeof startConnector>>;

/** A client that gets its session and then reads nothing more. */
const DEAF = {
  websocket: async ({ openWebSocket, connector }: Started): Promise<void> => {
    const { ws } = await openWebSocket("slow");
    await until(() => connector.stats.sessions > 0);
    ws.pause();
  },
  polling: async ({ openPolling, connector }: Started): Promise<void> => {
    await openPolling("slow");
    await until(() => connector.stats.sessions > 0);
  },
};

/** Pushes until the client that does not read is closed for it; each push waits for the client that does. */
async function pushUntilSlow({ connector }: Started, good: Client) {
  const body = message("chat", "x".repeat(100_000));
  let failed: unknown = [];
  let pushes = 0;
  while (connector.stats.slowClosed === 0) {
    failed = connector.deliver(new Set(["slow", "good"]), body);
    pushes++;
    await until(() => good.received.length === pushes);
  }
  return { failed, pushes };
}

for (const transport of ["websocket", "polling"] as const) {
  test(`a slow client › over ${transport} is closed, told of and failed, and others get everything`, async (t) => {
    const started = await startConnector(t, { maxBufferedBytes: 150_000 });
    const { connector, host } = started;
    const told = diagnosticsOf(t, "globalchannel:slow-client", (client) => client.connector === connector);
    await DEAF[transport](started);
    const good = await started.openSession("good");

    const { failed } = await pushUntilSlow(started, good);

    t.deepEqual(failed, ["slow"]);
    t.deepEqual(host.events, ["opened slow", "opened good", "closed slow"]);
    t.like(connector.stats, { sessions: 1, users: 1, slowClosed: 1, floodClosed: 0 });
    t.deepEqual(told, [{ connector, uid: "slow", bufferedBytes: told[0]!.bufferedBytes }]);
    // At most one message more than the limit, and what a batch that is being sent has.
    t.true(told[0]!.bufferedBytes > 150_000 && told[0]!.bufferedBytes < 1_000_000, `${told[0]!.bufferedBytes}`);
    t.deepEqual(connector.deliver(new Set(["slow"]), message("chat", 1)), ["slow"]);
  });
}

test("a slow client › keeps neither its connection nor what was not sent to it", async (t) => {
  const started = await startConnector(t, { maxBufferedBytes: 150_000 });
  await DEAF.websocket(started);
  const good = await started.openSession("good");
  t.is(await connectionsOf(started.http), 2);

  await pushUntilSlow(started, good);
  const begin = Date.now();
  while ((await connectionsOf(started.http)) > 1) {
    // Left to itself, the server would wait 30 s for an answer to its close frame.
    if (Date.now() - begin > 10_000) return t.fail("the connection is still there");
    await sleep(10);
  }

  t.pass();
});

test("a slow client › does not fail its user while another session of the user takes the message", async (t) => {
  const started = await startConnector(t, { maxBufferedBytes: 150_000 });
  await DEAF.websocket(started);
  const good = await started.openSession("slow");

  const { failed } = await pushUntilSlow(started, good);

  t.deepEqual(failed, ["good"], "nobody has that uid here");
});

test("a slow client › of deliverToAll is not counted", async (t) => {
  const { connector, openSession, ...started } = await startConnector(t, { maxBufferedBytes: 10_000 });
  await DEAF.polling({ connector, openSession, ...started });
  const good = await openSession("good");
  const news = message("news", "x".repeat(20_000));

  t.is(connector.deliverToAll(news, new Set()), 2);
  // Told of it is the first that sees it as full, and the next one that does not.
  const counts: unknown[] = [];
  while (connector.stats.slowClosed === 0) {
    counts.push(connector.deliverToAll(news, new Set()));
    await until(() => good.received.length === counts.length + 1);
  }

  t.is(counts.at(-1), 1);
});

for (const transport of ["websocket", "polling"] as const) {
  test(`a slow client › over ${transport} is not one that reads, where a tick has more than maxBufferedBytes for it`, async (t) => {
    const { connector, openSession } = await startConnector(t, { maxBufferedBytes: 10_000 });
    const client = await openSession("ann", transport);

    for (let tick = 1; tick <= 5; tick++) {
      for (let i = 0; i < 20; i++) {
        t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", "x".repeat(5000))), []);
      }
      await until(() => client.received.length === 20 * tick);
    }

    t.is(connector.stats.slowClosed, 0);
  });
}

test("a slow client › is closed for what others write to its connection, too", async (t) => {
  const started = await startConnector(t, { maxBufferedBytes: 150_000 });
  await DEAF.polling(started);

  // The first push that it does not take begins to count.
  void started.connector.deliver(new Set(["slow"]), message("chat", 0));
  started.server.emit("of the application", "x".repeat(200_000));
  void started.connector.deliver(new Set(["slow"]), message("chat", 1));
  await new Promise(setImmediate);

  t.deepEqual(started.connector.deliver(new Set(["slow"]), message("chat", 2)), ["slow"]);
});

test("a slow client › is none that has read late, and is counted anew after its upgrade", async (t) => {
  const { connector, openSession } = await startConnector(t, { maxBufferedBytes: 10_000 });
  const client = await openSession("ann", "polling, then websocket");
  const text = "x".repeat(8000);
  let pushes = 0;

  while (client.socket.io.engine.transport.name !== "websocket" || pushes < 50) {
    t.deepEqual(connector.deliver(new Set(["ann"]), message("chat", text)), []);
    pushes++;
    await until(() => client.received.length === pushes);
  }

  t.is(connector.stats.slowClosed, 0);
});
