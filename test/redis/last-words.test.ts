import test, { type ExecutionContext } from "ava";
import { Frontend } from "../../src/index.js";
import {
  redis,
  RedisChannelManager,
  RedisConnection,
  type RedisSource,
  RedisTransport,
} from "../../src/redis/index.js";
import { eventually } from "../cluster/cluster.js";
import { RecordingConnector } from "../support/recording-connector.js";
import { type RedisCluster, startRedisCluster } from "../support/redis-cluster.js";
import { type RedisServer, startRedis } from "../support/redis-server.js";

// What is called for in the tick of a stop, or before, is done before the connection is closed.

let server: RedisServer;
let cluster: RedisCluster;
test.before(async () => {
  [server, cluster] = await Promise.all([startRedis(), startRedisCluster({ replicas: 0 })]);
});
test.after.always(() => Promise.all([server?.stop(), cluster?.stop()]));

const sources: Record<string, () => RedisSource> = {
  "one Redis": () => server.url,
  "a Redis Cluster": () => ({ cluster: cluster.startupNodes }),
};

for (const [kind, source] of Object.entries(sources)) {
  const startManager = async (t: ExecutionContext, prefix: string): Promise<RedisChannelManager> => {
    const manager = new RedisChannelManager(new RedisConnection(source(), { prefix }));
    await manager.start();
    t.teardown(() => manager.stop());
    return manager;
  };

  test(`${kind}: an add of the tick in which the manager is stopped is made`, async (t) => {
    const [manager, other] = [await startManager(t, "add"), await startManager(t, "add")];

    const added = manager.add("room", "ann", "s1");
    const stopped = manager.stop();

    t.true(await added);
    await stopped;
    t.deepEqual(await other.getMembersBySid("room", "s1"), ["ann"]);
  });

  test(`${kind}: so is what takes several steps`, async (t) => {
    const [manager, other] = [await startManager(t, "steps"), await startManager(t, "steps")];
    await other.addMany(Array.from({ length: 300 }, (_, n) => ({ name: `room-${n % 20}`, uid: `u${n}`, sid: "dead" })));
    await other.connect("bob", "dead", "i1");

    const connecting = manager.connect("ann", "s1", "i1");
    const evicting = manager.evict({ sid: "dead", incarnation: "i1" }, "server-down");
    await manager.stop();

    await connecting;
    t.is(await evicting, 300);
    t.deepEqual(await other.getSessions(["ann", "bob"]), [[{ sid: "s1", incarnation: "i1" }], []]);
  });

  test(`${kind}: a push of the tick in which all parts are stopped is sent`, async (t) => {
    const clients = new RecordingConnector();
    const options = { prefix: "push" };
    const own = redis(source(), options);
    const frontend = new Frontend({ sid: "s1", stype: "connector", cluster: own, connector: clients });
    t.teardown(() => frontend.stop());
    await frontend.start();
    clients.connect("ann");
    await own.manager.add("room", "ann", "s1");
    // In a cluster it is looked for who is alive then, which takes a turn more.
    await own.manager.add("room", "bob", "dead");
    const { manager, registry, transport, fusedPush } = redis(source(), options);
    const parts = [manager, registry, transport];
    await Promise.all(parts.map((part) => part.start?.()));

    const push = {
      stype: "connector",
      names: ["room"],
      route: "chat",
      body: "1",
      except: [],
      timeoutMs: 1000,
      ack: false,
    };
    const sending = fusedPush!.push(push);
    await Promise.all(parts.map((part) => part.stop?.()));

    await sending;
    await t.notThrowsAsync(eventually(() => clients.received("ann").length === 1, 1000));
  });

  test(`${kind}: a message of the tick in which the transport is stopped is sent`, async (t) => {
    const start = async (): Promise<RedisTransport> => {
      const transport = new RedisTransport(new RedisConnection(source(), { prefix: "message" }));
      await transport.start();
      t.teardown(() => transport.stop());
      return transport;
    };
    const [transport, other] = [await start(), await start()];
    const got: string[] = [];
    await other.serve("s1", (request) => {
      if (request.type === "channels") got.push(request.uid);
      return { names: [] };
    });

    const sending = [1, 2].map((uid) => transport.send("s1", { type: "channels", uid: `${uid}` }));
    await transport.stop();

    await Promise.all(sending);
    await other.fence("s1");
    t.deepEqual(got, ["1", "2"]);
  });
}
