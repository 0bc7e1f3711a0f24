import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import {
  Frontend,
  GlobalChannelError,
  GlobalChannelService,
  type FrontendOptions,
  type FrontendReply,
  type FrontendRequest,
  type PushReport,
} from "../../src/index.js";
import { redis, RedisConnection, RedisTransport } from "../../src/redis/index.js";
import { CallerMemory } from "../../src/transports/redis/caller-memory.js";
import { Inbox } from "../../src/transports/redis/inbox.js";
import { Replies } from "../../src/transports/redis/replies.js";
import { AGAIN, encodeAsk, encodeDone, encodeRequest } from "../../src/transports/redis/wire.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { RecordingConnector } from "../support/recording-connector.js";
import { type RedisServer, startRedis } from "../support/redis-server.js";

// Pushes whose requests or answers are lost with a connection: they come once more, once each, in the order of the calls.

let server: RedisServer;
test.before(async () => {
  server = await startRedis();
});
test.after.always(() => server?.stop());

/** A service, a frontend with one user who is a member of two channels, and what breaks their connections. */
async function startCluster(t: ExecutionContext, options: Partial<FrontendOptions> = {}) {
  const prefix = `${t.title.length}-${Math.random().toString(36).slice(2)}`;
  const service = new GlobalChannelService({ cluster: redis(server.url, { prefix }) });
  await service.start();
  t.teardown(() => service.stop(true));
  const clients = new RecordingConnector();
  const source = new Redis(server.url, { lazyConnect: true });
  const subscribers: Redis[] = [];
  const duplicate = source.duplicate.bind(source);
  source.duplicate = (given) => {
    const copy = duplicate(given);
    subscribers.push(copy);
    return copy;
  };
  const frontend = new Frontend({
    sid: "s1",
    stype: "connector",
    cluster: redis(source, { prefix }),
    connector: clients,
    ...options,
  });
  await frontend.start();
  t.teardown(() => {
    source.disconnect();
    for (const each of subscribers) each.disconnect();
  });
  t.teardown(() => frontend.stop().catch(() => {}));
  clients.connect("ann");
  await service.addMany(["room", "hall"].map((name) => ({ name, uid: "ann", sid: "s1" })));
  const admin = new Redis(server.url);
  t.teardown(() => admin.disconnect());
  return {
    service,
    clients,
    frontend,
    prefix,
    /** Breaks the frontend's subscriptions; they come back by themselves. */
    cutFrontend: async () => {
      await admin.client("KILL", "ID", await subscribers[0]!.client("ID"));
    },
    /** As a process that is killed. */
    crash: () => {
      for (const each of [source, ...subscribers]) each.disconnect();
    },
    cutAllSubscribers: async () => {
      await admin.call("CLIENT", "KILL", "TYPE", "pubsub");
    },
  };
}

async function startTransport(t: ExecutionContext) {
  const connection = new RedisConnection(server.url, { prefix: "late" });
  const transport = new RedisTransport(connection);
  await transport.start();
  t.teardown(() => transport.stop());
  return { connection, layout: connection.layout, transport };
}

type RunningCluster = Awaited<ReturnType<typeof startCluster>>;

/** Pushes all the time while connections are cut now and then. Resolves what became of each push. */
async function pushWhileCut({ service }: RunningCluster, cut: () => Promise<void>): Promise<(PushReport | Error)[]> {
  // Who has never sent the frontend anything is not waited for.
  await service.pushMessage("connector", "chat", 0, "room");
  const pushes: Promise<PushReport | Error>[] = [];
  for (const n of numbers(1000)) {
    const names = n % 3 === 0 ? ["room", "hall"] : "room";
    pushes.push(service.pushMessage("connector", "chat", n, names).catch((error: Error) => error));
    await sleep(1);
    if (n % 200 === 100) await cut();
  }
  return Promise.all(pushes);
}

const isIncomplete = (outcome: PushReport | Error): boolean => outcome instanceof Error || outcome.delivered !== 1;

test.serial(
  "pushes while a frontend's subscriptions are cut now and then are delivered once each, in order",
  async (t) => {
    const cluster = await startCluster(t);

    const outcomes = await pushWhileCut(cluster, cluster.cutFrontend);

    t.deepEqual(outcomes.filter(isIncomplete), []);
    t.deepEqual(
      cluster.clients.received("ann").map(({ msg }) => msg),
      [0, ...numbers(1000)],
    );
  },
);

test.serial(
  "where a frontend does not hold back what comes after a gap, lost pushes are overtaken, and say so",
  async (t) => {
    const { lost, gap } = Inbox.prototype;
    t.teardown(() => Object.assign(Inbox.prototype, { lost, gap }));
    Object.assign(Inbox.prototype, { lost: () => {}, gap: () => {} });
    const cluster = await startCluster(t);

    const outcomes = await pushWhileCut(cluster, cluster.cutFrontend);

    const overtaken = outcomes.filter((outcome) => outcome instanceof Error && outcome.message.includes("overtaken"));
    t.true(overtaken.length > 0);
    t.is(cluster.clients.received("ann").length, 1 + outcomes.length - overtaken.length);
  },
);

test.serial("answers that are lost with a service's subscriptions are given once more", async (t) => {
  const cluster = await startCluster(t);

  const outcomes = await pushWhileCut(cluster, cluster.cutAllSubscribers);

  t.deepEqual(outcomes.filter(isIncomplete), []);
  t.deepEqual(
    cluster.clients.received("ann").map(({ msg }) => msg),
    [0, ...numbers(1000)],
  );
});

test.serial(
  "where a frontend forgets what it has handled, pushes whose answers are lost are delivered again",
  async (t) => {
    const { isNew, stateOf } = CallerMemory.prototype;
    t.teardown(() => Object.assign(CallerMemory.prototype, { isNew, stateOf }));
    Object.assign(CallerMemory.prototype, { isNew: () => true, stateOf: () => "missed" });
    const cluster = await startCluster(t);

    await pushWhileCut(cluster, cluster.cutAllSubscribers);

    const received = cluster.clients.received("ann").map(({ msg }) => msg);
    t.true(new Set(received).size < received.length);
  },
);

test.serial("a push to a frontend that has crashed fails when its lease ends, and not at its deadline", async (t) => {
  const { service, crash } = await startCluster(t, { leaseMs: 600 });
  await service.pushMessage("connector", "chat", 0, "room");

  crash();
  await sleep(50);
  const begun = performance.now();
  const error = await t.throwsAsync(service.pushMessage("connector", "chat", 1, "room", { timeoutMs: 10_000 }));
  const tookMs = performance.now() - begun;

  t.like(error, { code: "GC_PUSH_FAILED", temporary: true, report: { targeted: 1, failed: 1, failIds: ["ann"] } });
  t.true(tookMs < 3000, `it took ${tookMs} ms`);
});

test.serial(
  "a frontend that leaves too many pushes unanswered makes the next ones unknown soon, and no other",
  async (t) => {
    const { service, clients, prefix } = await startCluster(t);
    const others = new RecordingConnector();
    const cluster = redis(server.url, { prefix });
    const other = new Frontend({ sid: "s2", stype: "connector", cluster, connector: others });
    await other.start();
    t.teardown(() => other.stop());
    others.connect("bob");
    await service.add("room", "bob", "s2");
    await service.pushMessage("connector", "chat", 0, "room");

    clients.hang();
    t.teardown(() => clients.resume());
    const settled: PushReport[] = [];
    const pushes: Promise<unknown>[] = [];
    for (const n of numbers(3000)) {
      const push = service.pushMessage("connector", "chat", n, "room", { timeoutMs: 8000 });
      pushes.push(push.then((report) => settled.push(report)));
      if (n % 10 === 0) await sleep(1);
    }
    await eventually(() => settled.length >= 2000, 5000);

    t.deepEqual(
      settled.filter(({ delivered, unknown }) => delivered !== 1 || unknown !== 1),
      [],
    );
    const silent = settled[0]!.frontends.filter(({ error }) => error);
    t.like(silent, [{ sid: "s1", error: { code: "GC_OVERLOADED", temporary: true } }]);
    t.is(others.received("bob").length, 3001);
    clients.resume();
    await Promise.all(pushes);
    t.is(
      settled.filter(({ delivered }) => delivered === 2).length,
      3000 - settled.filter(({ unknown }) => unknown === 1).length,
    );
  },
);

test.serial("what a frontend cannot do now, as its own connection is down, is a temporary failure", async (t) => {
  const cluster = redis(server.url, { prefix: "down" });
  const service = new GlobalChannelService({ cluster });
  await service.start();
  t.teardown(() => service.stop(true));
  const frontend = { sid: "s1", stype: "connector", incarnation: "1", holder: "" };
  await cluster.registry.register(frontend, 60_000);
  await cluster.registry.renew(frontend, 60_000);
  await service.add("room", "ann", "s1");
  await cluster.transport.serve("s1", () => {
    throw new GlobalChannelError("GC_STORE_UNAVAILABLE", "down");
  });

  const error = await t.throwsAsync(service.pushMessage("connector", "chat", 1, "room", { timeoutMs: 2000 }));

  t.like(error, { code: "GC_PUSH_FAILED", temporary: true });
  t.regex(error.message, /down/);
});

test.serial("a request that comes late, when later ones of its caller have been handled, is refused", async (t) => {
  const { layout, transport } = await startTransport(t);
  const handled: string[] = [];
  await transport.serve("s1", (request) => {
    if (request.type === "channels") handled.push(request.uid);
    return { names: [] };
  });
  const caller = new Redis(server.url);
  t.teardown(() => caller.disconnect());
  const replies: string[] = [];
  const listener = caller.duplicate();
  t.teardown(() => listener.disconnect());
  await listener.subscribe(layout.of("caller").replies("caller"));
  listener.on("message", (_channel, text) => replies.push(text));

  for (const id of [1, 3, 2, -5, -4, 6]) {
    const request = encodeRequest("caller", id, { type: "channels", uid: `id ${id}` });
    await caller.publish(layout.of("s1").inbox("s1"), request);
  }
  await eventually(() => handled.includes("id 6") && replies.join().includes("6"), 3000);

  t.deepEqual(handled, ["id 1", "id 3", "id -5", "id 6"]);
  const late = replies.flatMap((text) => text.split("\n")).filter((line) => line.includes("overtaken"));
  t.is(late.length, 1);
  t.true(late[0]!.includes("request 2 "));
});

test.serial("one that comes late while others are held back is refused, too", async (t) => {
  const { connection } = await startTransport(t);
  const handled: string[] = [];
  const handler = (request: FrontendRequest): FrontendReply => {
    if (request.type === "channels") handled.push(request.uid);
    return { names: [] };
  };
  const inbox = new Inbox("s1", handler, new Replies(connection));
  t.teardown(() => inbox.close());
  const request = (id: number, sign?: typeof AGAIN): string =>
    encodeRequest("caller", id, { type: "channels", uid: `id ${id}` }, sign);

  inbox.message(request(4));
  inbox.lost();
  inbox.gap();
  inbox.message(request(5));
  inbox.message(encodeAsk("caller", [6]));
  inbox.message(request(6, AGAIN));
  inbox.message(encodeDone("caller"));

  t.deepEqual(handled, ["id 4", "id 6"]);
});

test("what was held back is handled in the order of the calls, whatever order it came in", (t) => {
  const memory = new CallerMemory(1);
  memory.hold();
  const request: FrontendRequest = { type: "channels", uid: "ann" };

  for (const id of [4, -2, 3]) t.true(memory.keep(id, request));

  t.deepEqual(
    memory.release().map(([id]) => id),
    [-2, 3, 4],
  );
});
