import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { once } from "node:events";
import test, { type ExecutionContext } from "ava";
import { WebSocketConnector } from "../../src/connectors/websocket/connector.js";
import { Frontend, GlobalChannelService, memory } from "../../src/index.js";
import { until } from "./websocket-support.js";

// Clients that come back with positions, and read nothing of what they get.

const HOST = "127.0.0.1";
const LIMITS = { size: 10, ttlMs: 60_000 };

async function start(t: ExecutionContext) {
  const cluster = memory({ history: { "*": LIMITS } });
  const service = new GlobalChannelService({ cluster });
  const connector = new WebSocketConnector({
    port: 0,
    host: HOST,
    authenticate: () => "ann",
    maxBufferedBytes: 1_000_000,
  });
  const frontend = new Frontend({ sid: "s1", stype: "connector", cluster, connector });
  await service.start();
  await frontend.start();
  t.teardown(async () => {
    await frontend.stop();
    await service.stop();
  });
  return { service, connector };
}

/** Connects as a client that says where it was, and reads no more than that it is connected. */
async function comeBack(t: ExecutionContext, connector: WebSocketConnector, resume: object): Promise<Socket> {
  const socket = connect(connector.address().port, HOST);
  t.teardown(() => socket.destroy());
  socket.on("error", () => {});
  const key = randomBytes(16).toString("base64");
  socket.write(
    `GET /?resume=${encodeURIComponent(JSON.stringify(resume))} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n` +
      `Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
  );
  await once(socket, "data");
  socket.pause();
  return socket;
}

test("one that has messages out of other channels is closed as any other that is too slow", async (t) => {
  const { service, connector } = await start(t);
  await comeBack(t, connector, { elsewhere: ["e", 0, "abc"] });
  await service.add("room", "ann", "s1");

  const body = "x".repeat(500_000);
  for (let n = 0; n < 100 && connector.stats.slowClosed === 0; n++) {
    await service.pushMessage("connector", "chat", body, "room");
  }

  await until(() => connector.stats.slowClosed === 1);
  t.pass();
});

test("what it has missed in many channels it gets a part at a time, as it takes it", async (t) => {
  const { service, connector } = await start(t);
  const names = Array.from({ length: 100 }, (_, n) => `room ${n}`);
  const resume: Record<string, [epoch: string, offset: number]> = {};
  const body = "x".repeat(50_000);
  for (const name of names) {
    for (let n = 0; n < LIMITS.size; n++) {
      const { positions } = await service.pushMessage("connector", "chat", body, name);
      resume[name] = [positions![0]!.epoch, 0];
    }
  }
  await service.addMany(names.map((name) => ({ name, uid: "ann", sid: "s1" })));
  const before = process.memoryUsage().arrayBuffers;

  const socket = await comeBack(t, connector, resume);
  await service.addMany(names.map((name) => ({ name, uid: "ann", sid: "s1" })));
  await new Promise((resolve) => setTimeout(resolve, 500));

  // 50 MB in all.
  const taken = process.memoryUsage().arrayBuffers - before;
  t.true(taken < 15_000_000, `${taken} bytes are written for a client that reads nothing`);
  let got = 0;
  socket.on("data", (data) => (got += data.length));
  socket.resume();
  await until(() => got > names.length * LIMITS.size * body.length, 20_000);
  t.is(connector.stats.slowClosed, 0);
});
