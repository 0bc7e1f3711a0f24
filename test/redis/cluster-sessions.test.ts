import test, { type ExecutionContext } from "ava";
import keySlot from "cluster-key-slot";
import { Cluster } from "ioredis";
import { RedisChannelManager, RedisConnection, RedisServerRegistry } from "../../src/redis/index.js";
import { startRedisCluster, type RedisCluster } from "../support/redis-cluster.js";

/** Sessions in a Redis Cluster, where several steps make a change, while those of others come in between. */

let servers: RedisCluster;

test.before(async () => {
  servers = await startRedisCluster({ replicas: 0 });
});
test.after.always(() => servers?.stop());

interface StagedManager {
  manager: RedisChannelManager;
  /** The next of these commands is held back: before it is sent, or when it is answered. Resolves once it is. */
  hold(command: "sadd" | "srem", when: "before" | "after"): Promise<{ release: () => void }>;
}

async function stage(t: ExecutionContext, prefix: string): Promise<StagedManager> {
  const client = new Cluster(servers.startupNodes);
  t.teardown(() => client.disconnect());
  const manager = new RedisChannelManager(new RedisConnection(client, { prefix }));
  await manager.start();
  t.teardown(() => manager.stop());
  const hold: StagedManager["hold"] = (command, when) =>
    new Promise((held) => {
      const send = client[command].bind(client) as (...args: unknown[]) => Promise<number>;
      const wait = (): Promise<void> => new Promise((release) => held({ release }));
      client[command] = async (...args: unknown[]) => {
        client[command] = send;
        if (when === "before") await wait();
        const answer = await send(...args);
        if (when === "after") await wait();
        return answer;
      };
    });
  return { manager, hold };
}

/** How many users are at s1, and where ann is. */
async function stateOf({ manager }: StagedManager): Promise<{ count: number; incarnations: string[] }> {
  const [[count], [places]] = await Promise.all([manager.countUsers(["s1"]), manager.getSessions(["ann"])]);
  return { count: count!, incarnations: places!.map(({ incarnation }) => incarnation) };
}

test.serial(
  "where the server of the leases hangs, who connects has to try again, and who disconnects does not",
  async (t) => {
    const connection = new RedisConnection({ cluster: servers.startupNodes }, { prefix: "leases" });
    const manager = new RedisChannelManager(connection);
    await manager.start();
    t.teardown(() => manager.stop());
    const leases = await servers.primaryOf(keySlot(connection.layout.servers));
    const elsewhere = async (kind: string): Promise<string> => {
      for (let n = 0; ; n++) {
        const slot = keySlot(connection.layout.of(`${kind}-${n}`).sids);
        if ((await servers.primaryOf(slot)) !== leases) return `${kind}-${n}`;
      }
    };
    const [sid, ann, bob] = [await elsewhere("s"), await elsewhere("ann"), await elsewhere("bob")];
    await manager.connect(bob, sid, "i1");

    leases.pause();
    t.teardown(() => leases.resume());
    const connecting = manager.connect(ann, sid, "i1");
    await manager.disconnect(bob, sid, "i1");
    await t.throwsAsync(connecting, { code: "GC_STORE_UNAVAILABLE" });
    leases.resume();
    await servers.waitUntilOk();

    t.deepEqual(await manager.getSessions([ann, bob]), [[], []]);
    t.deepEqual(await manager.countUsers([sid]), [0]);
  },
);

test("who connects while a dead frontend is evicted is counted, and found when that frontend dies, too", async (t) => {
  const [reaper, next] = [await stage(t, "evicted"), await stage(t, "evicted")];
  await next.manager.connect("ann", "s1", "i1");

  const held = reaper.hold("srem", "before");
  const evicting = reaper.manager.evict({ sid: "s1", incarnation: "i1" }, "server-down");
  const { release } = await held;
  await next.manager.connect("ann", "s1", "i2");
  release();
  await evicting;

  t.deepEqual(await stateOf(next), { count: 1, incarnations: ["i2"] });
  await reaper.manager.evict({ sid: "s1", incarnation: "i2" }, "server-down");
  t.deepEqual(await stateOf(next), { count: 0, incarnations: [] });
});

test("who is connecting while a dead frontend is evicted is counted", async (t) => {
  const [reaper, next] = [await stage(t, "connecting"), await stage(t, "connecting")];
  await next.manager.connect("ann", "s1", "i1");

  const held = next.hold("sadd", "after");
  const connecting = next.manager.connect("ann", "s1", "i2");
  const { release } = await held;
  await reaper.manager.evict({ sid: "s1", incarnation: "i1" }, "server-down");
  release();
  await connecting;

  t.deepEqual(await stateOf(next), { count: 1, incarnations: ["i2"] });
});

test("who connects to the next incarnation while the last one disconnects is counted", async (t) => {
  const [last, next] = [await stage(t, "disconnecting"), await stage(t, "disconnecting")];
  await last.manager.connect("ann", "s1", "i1");

  const held = last.hold("srem", "before");
  const disconnecting = last.manager.disconnect("ann", "s1", "i1");
  const { release } = await held;
  await next.manager.connect("ann", "s1", "i2");
  release();
  await disconnecting;

  t.deepEqual(await stateOf(next), { count: 1, incarnations: ["i2"] });
});

test("whose session is forgotten while it is being noted is not counted", async (t) => {
  const [reaper, next] = [await stage(t, "forgotten"), await stage(t, "forgotten")];

  const heldFirst = next.hold("sadd", "after");
  const connecting = next.manager.connect("ann", "s1", "i2");
  const first = await heldFirst;
  const heldSecond = next.hold("sadd", "before");
  first.release();
  const second = await heldSecond;
  await reaper.manager.evict({ sid: "s1", incarnation: "i2" }, "server-down");
  second.release();
  await connecting;

  t.deepEqual(await stateOf(next), { count: 0, incarnations: [] });
});

test("a connect of an earlier incarnation that comes late, when another one holds the sid, is void", async (t) => {
  const [last, next] = [await stage(t, "late"), await stage(t, "late")];
  const registry = new RedisServerRegistry(new RedisConnection({ cluster: servers.startupNodes }, { prefix: "late" }));
  await registry.start();
  t.teardown(() => registry.stop());
  await registry.register({ sid: "s1", stype: "connector", incarnation: "i2", holder: "" }, 60_000);
  await next.manager.connect("ann", "s1", "i2");

  await last.manager.connect("ann", "s1", "i1");
  await last.manager.connect("bob", "s1", "i1");

  t.deepEqual(await stateOf(next), { count: 1, incarnations: ["i2"] });
  t.deepEqual(await next.manager.getSessions(["bob"]), [[]]);
});
