import { randomUUID } from "node:crypto";
import test, { type ExecutionContext } from "ava";
import { TransomSocketIo, type TransomMessageClient } from "../../../src/adapters/transom/index.js";
import type { PushReport } from "../../../src/index.js";
import { redis } from "../../../src/redis/index.js";
import { eventually, numbers } from "../../cluster/cluster.js";
import type { Client } from "../../connectors/socket-io-support.js";
import { type NodeProcess, startProcess } from "../../support/process.js";
import { type RedisServer, startRedis } from "../../support/redis-server.js";
import type { ServerProcess } from "./server-process.js";
import { connect, openClient, refusal, transomServer } from "./support.js";

// Three processes with a Socket.IO server each, and a fourth, this one, that only emits. One test at a time: all at once would be 18.

const PROCESSES = 3;
const USERS = numbers(100).map((n) => `user-${n}`);

let store: RedisServer;
test.before(async () => {
  store = await startRedis();
});
test.after.always(() => store?.stop());

interface RunningServer {
  url: string;
  process: NodeProcess<ServerProcess>;
}

/** The processes, and the client of one that has no server. */
async function startProcesses(t: ExecutionContext, count = PROCESSES) {
  const prefix = randomUUID();
  const servers = await Promise.all(
    numbers(count).map(async (n): Promise<RunningServer> => {
      const process = await startProcess<ServerProcess>(new URL("server-process.ts", import.meta.url), {
        args: [store.url, prefix, `gate-${n}`],
      });
      t.teardown(() => process.kill());
      return { process, url: `http://127.0.0.1:${await process.call("start")}` };
    }),
  );
  const plugin = new TransomSocketIo();
  t.teardown(() => plugin.stop());
  const server = transomServer();
  await plugin.initialize(server, { cluster: redis(store.url, { prefix }), service: { graceMs: 1000 } });
  const client = server.registry.get("transomMsgClient") as TransomMessageClient;
  return { servers, plugin, client };
}

/** Connects users in turn to the servers, every fourth a second time to the next one; half of them by polling. */
async function connectUsers(t: ExecutionContext, plugin: TransomSocketIo, servers: readonly RunningServer[]) {
  const clients = new Map<string, Client[]>(USERS.map((uid) => [uid, []]));
  const connectTo = async (uid: string, { url }: RunningServer, transport: "websocket" | "polling"): Promise<void> => {
    // A token of one process is good at every other.
    clients.get(uid)!.push(await connect(t, url, await plugin.createToken({ _id: uid }), transport));
  };
  await Promise.all(
    USERS.map(async (uid, index) => {
      const transport = index % 2 === 0 ? "websocket" : "polling";
      await connectTo(uid, servers[index % servers.length]!, transport);
      if (index % 4 === 0) await connectTo(uid, servers[(index + 1) % servers.length]!, "polling");
    }),
  );
  return clients;
}

const isTwice = (uid: string): boolean => USERS.indexOf(uid) % 4 === 0;
const TARGETED = USERS.length + USERS.filter(isTwice).length;

function counts({ targeted, delivered, failed, unknown }: PushReport): number[] {
  return [targeted, delivered, failed, unknown];
}

test.serial("100 users at 3 processes, some connected twice, get what is for them, in order and once", async (t) => {
  const { servers, plugin, client } = await startProcesses(t);
  const clients = await connectUsers(t, plugin, servers);
  t.is(client.io, undefined);
  await eventually(async () => (await client.emitToEveryone("ready", 0)).delivered === TARGETED, 10_000, 200);

  const even = USERS.filter((_uid, index) => index % 2 === 0);
  const sent: unknown[] = [];
  for (const n of numbers(20)) {
    const report = await client.emitToUsers(
      even.map((_id) => ({ _id })),
      "news",
      { n },
    );
    t.deepEqual(counts(report), [75, 75, 0, 0]);
    sent.push({ n });
  }
  t.deepEqual(counts(await client.emitToEveryone("news", "for all")), [TARGETED, TARGETED, 0, 0]);
  t.deepEqual(counts(await client.emitToUsers({ _id: "user-1" }, "news", "for one")), [2, 2, 0, 0]);

  for (const [uid, all] of clients) {
    const expected = even.includes(uid) ? [...sent, "for all"] : ["for all"];
    if (uid === "user-1") expected.push("for one");
    for (const one of all) {
      await eventually(() => one.messages("news").length >= expected.length, 10_000);
      t.deepEqual(one.messages("news"), expected, uid);
    }
  }
  for (const { process } of servers) t.is(process.output, "");
});

test.serial("disconnectUsers closes sockets at every process, and only theirs", async (t) => {
  const { servers, plugin, client } = await startProcesses(t);
  const clients = await connectUsers(t, plugin, servers);
  const gone = USERS.filter((_uid, index) => index % 8 === 0);
  const reasons: string[] = [];
  for (const uid of gone) for (const { socket } of clients.get(uid)!) socket.on("disconnect", (r) => reasons.push(r));
  await eventually(async () => (await client.emitToEveryone("ready", 0)).delivered === TARGETED, 10_000, 200);

  const report = await client.disconnectUsers(
    gone.map((_id) => ({ _id })),
    true,
  );

  t.deepEqual(counts(report), [2 * gone.length, 2 * gone.length, 0, 0]);
  await eventually(() => reasons.length === 2 * gone.length, 10_000);
  t.deepEqual([...new Set(reasons)], ["io server disconnect"]);
  const left = TARGETED - 2 * gone.length;
  await eventually(async () => (await client.emitToEveryone("news", 1)).targeted === left, 10_000, 200);
  for (const [uid, all] of clients) for (const { socket } of all) t.is(socket.connected, !gone.includes(uid), uid);
  t.deepEqual(counts(await client.emitToUsers({ _id: gone[0] }, "news", 2)), [1, 0, 1, 0]);
});

test.serial("of 100 clients with one token, at 3 processes, exactly one gets in", async (t) => {
  const { servers, client } = await startProcesses(t);
  const token = await servers[0]!.process.call("createToken", "ann");
  const outcomes = await Promise.all(
    numbers(100).map(async (n) => {
      const { url } = servers[n % servers.length]!;
      const one = openClient(t, url, {
        ...(n % 2 === 0 ? { query: { token } } : { auth: { token } }),
        transports: [n % 4 < 2 ? "websocket" : "polling"],
      });
      return Promise.race([
        refusal(one).then(({ message }) => message),
        new Promise<string>((resolve) => one.socket.once("connect", () => resolve("connected"))),
      ]);
    }),
  );

  t.is(outcomes.filter((outcome) => outcome === "connected").length, 1);
  t.is(outcomes.filter((outcome) => outcome === "INVALID_TOKEN").length, 99);
  await eventually(async () => (await client.emitToEveryone("news", 1)).delivered === 1, 5000);
});

test.serial("emitToEveryone reaches nobody of whom it is not known who they are, at any process", async (t) => {
  const { servers, plugin, client } = await startProcesses(t);
  const anonymous = await Promise.all(
    servers.map(async ({ url }) => {
      const one = openClient(t, `${url}/public`, { transports: ["websocket"] });
      await new Promise<void>((resolve) => one.socket.once("connect", resolve));
      return one;
    }),
  );
  const ann = await connect(t, servers[1]!.url, await plugin.createToken({ _id: "ann" }));

  await eventually(async () => (await client.emitToEveryone("news", 1)).delivered === 1, 5000);

  await eventually(() => ann.received.length > 0, 5000);
  for (const one of anonymous) t.deepEqual(one.received, []);
});

test.serial("rooms are channels at every process, also where the backend makes the members", async (t) => {
  const { servers, plugin, client } = await startProcesses(t, 2);
  const clients = [
    await connect(t, servers[0]!.url, await plugin.createToken({ _id: "ann" })),
    await connect(t, servers[1]!.url, await plugin.createToken({ _id: "bob" })),
  ];
  await eventually(async () => (await client.emitToEveryone("ready", 0)).delivered === 2, 5000);

  await client.service.addMany([
    { name: "room", uid: "ann", sid: "gate-1" },
    { name: "room", uid: "bob", sid: "gate-2" },
  ]);
  t.is((await client.service.pushMessage("transom", "news", 1, "room")).delivered, 2);
  for (const { process } of servers) {
    await eventually(async () => (await process.call("emitToRoom", "room", "local", 1)) === 1, 5000);
  }
  for (const one of clients) {
    await eventually(() => one.messages("local").length === 1, 5000);
    t.deepEqual(one.messages("news"), [1]);
  }
});

test.serial(
  "users of a process that is killed are gone, also from their rooms, and those of others get everything",
  async (t) => {
    const { servers, plugin, client } = await startProcesses(t);
    const clients = await connectUsers(t, plugin, servers);
    await eventually(async () => (await client.emitToEveryone("ready", 0)).delivered === TARGETED, 10_000, 200);
    await client.service.add("room", "user-1", "gate-1");
    await client.service.add("room", "user-2", "gate-2");

    await servers[0]!.process.kill();

    // Of user-1, user-4, … some are at gate-2 too.
    const left = [...clients.values()]
      .flat()
      .filter(({ socket }) => socket.io.opts.port !== new URL(servers[0]!.url).port);
    await eventually(
      async () => {
        const { targeted, delivered } = await client.emitToEveryone("news", 1);
        return targeted === left.length && delivered === left.length;
      },
      10_000,
      200,
    );
    await eventually(async () => (await client.service.count("room")) === 1, 10_000);
    t.deepEqual(await client.service.getMembersByChannelName("transom", "room"), ["user-2"]);
  },
);
