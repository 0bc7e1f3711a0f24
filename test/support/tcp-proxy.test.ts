import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import test, { type ExecutionContext } from "ava";

import { eventually } from "../cluster/cluster.js";
import { TcpProxy } from "./tcp-proxy.js";

/** What a side of a connection has met, in order: text, `end`, or the code of an error. */
class Side {
  readonly socket: Socket;
  readonly met: string[] = [];

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding("utf8").on("data", (text: string) => this.met.push(text));
    socket.on("end", () => this.met.push("end"));
    socket.on("error", (error: NodeJS.ErrnoException) => this.met.push(error.code!));
  }

  get text(): string {
    return this.met.join("");
  }
}

/** A server that says back what it is told, behind a proxy. */
async function startEcho(t: ExecutionContext) {
  const served: Side[] = [];
  const server = createServer((socket) => {
    served.push(new Side(socket));
    socket.pipe(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy = await TcpProxy.start((server.address() as AddressInfo).port);
  const sides: Side[] = [];
  t.teardown(async () => {
    for (const { socket } of [...sides, ...served]) socket.destroy();
    await proxy.stop();
    server.close();
  });
  const dial = (): Side => {
    const side = new Side(connect(proxy.port, "127.0.0.1"));
    sides.push(side);
    return side;
  };
  const open = async (): Promise<Side> => {
    const side = dial();
    await once(side.socket, "connect");
    return side;
  };
  /** One connection, its two sides, through which something has gone. */
  const openBoth = async () => {
    const client = await open();
    client.socket.write("a");
    await eventually(() => client.text === "a", 2000);
    return { client, server: served.at(-1)! };
  };
  return { proxy, dial, open, openBoth, served };
}

test("cut › both sides are told, and a new connection works", async (t) => {
  const { proxy, openBoth } = await startEcho(t);
  const { client, server } = await openBoth();

  proxy.cut();

  await eventually(() => client.text === "aECONNRESET" && server.text === "aECONNRESET", 2000);
  await t.notThrowsAsync(openBoth());
});

test("delay › everything is late by that, both ways, and keeps its order", async (t) => {
  const { proxy, openBoth } = await startEcho(t);
  const { client } = await openBoth();

  proxy.delay(50);
  const startedAt = performance.now();
  for (const text of ["b", "c", "d"]) {
    client.socket.write(text);
    await sleep(5);
  }
  await eventually(() => client.text === "abcd", 2000);

  t.true(performance.now() - startedAt >= 100);
});

test("hold › nothing comes through, also on new connections, until heal: then all of it, in order", async (t) => {
  const { proxy, open, openBoth, served } = await startEcho(t);
  const { client, server } = await openBoth();

  proxy.hold();
  client.socket.write("b");
  server.socket.write("c");
  const late = await open();
  late.socket.end("d");
  await eventually(() => served.length === 2, 2000);
  // What is sent last is held, too: who had not waited for it would have got the rest.
  await sleep(50);
  t.deepEqual([client.text, server.text, served[1]!.text], ["a", "a", ""]);
  proxy.heal();

  await eventually(() => client.text === "acb" && late.text === "dend", 2000);
  t.deepEqual(served[1]!.met, ["d", "end"]);
});

test("hold › of one direction lets the other one through", async (t) => {
  const { proxy, openBoth } = await startEcho(t);
  const { client, server } = await openBoth();

  proxy.hold(["answers"]);
  client.socket.write("b");

  await eventually(() => server.text === "ab", 2000);
  t.is(client.text, "a");
  proxy.heal();
  await eventually(() => client.text === "ab", 2000);
});

test("vanish › the server's side breaks, and the client learns of it when all is well again", async (t) => {
  const { proxy, openBoth } = await startEcho(t);
  const { client, server } = await openBoth();

  proxy.vanish();
  await eventually(() => server.text === "aECONNRESET", 2000);
  client.socket.write("b");
  t.is(client.text, "a");
  proxy.heal();

  await eventually(() => client.text === "aECONNRESET", 2000);
});

test("refuse › new connections are reset until heal, those that are open go on", async (t) => {
  const { proxy, dial, openBoth } = await startEcho(t);
  const { client } = await openBoth();

  proxy.refuse();
  const refused = dial();
  client.socket.write("b");

  await eventually(() => refused.text === "ECONNRESET" && client.text === "ab", 2000);
  proxy.heal();
  await t.notThrowsAsync(openBoth());
});
