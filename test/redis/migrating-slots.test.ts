import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import keySlot from "cluster-key-slot";
import { Cluster } from "ioredis";
import { drain } from "../../src/managers/redis/scripts.js";
import { RedisChannelManager, RedisConnection, type RedisSource } from "../../src/redis/index.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { type RedisCluster, startRedisCluster } from "../support/redis-cluster.js";
import { membersAt } from "../support/stage.js";

// What is called for while a slot is on its way from one server of a cluster to another, with some of its keys here and some there.

let servers: RedisCluster;
test.before(async () => {
  servers = await startRedisCluster({ replicas: 0 });
});
test.after.always(() => servers?.stop());

async function startManager(
  t: ExecutionContext,
  prefix: string,
  source: RedisSource = { cluster: servers.startupNodes },
) {
  const connection = new RedisConnection(source, { prefix });
  const manager = new RedisChannelManager(connection);
  await manager.start();
  t.teardown(() => manager.stop());
  const slotOf = (name: string) => keySlot(connection.layout.of(name).sids);
  /** The slot of a name, and a server that it is to move to. */
  const moveOf = async (name: string) => {
    const from = await servers.primaryOf(slotOf(name));
    return { slot: slotOf(name), to: servers.nodes.find((node) => node !== from)! };
  };
  return { manager, slotOf, moveOf };
}

test.serial("users connect and disconnect while their slot moves, and each is where it should be", async (t) => {
  const { manager, slotOf, moveOf } = await startManager(t, "users");
  const { manager: other } = await startManager(t, "users");
  const uids = numbers(5000)
    .map((n) => `user-${n}`)
    .filter((uid) => slotOf(uid) === slotOf("user-1"));
  const leaving = uids.slice(0, 25);
  const coming = uids.slice(25, 40);
  const here = new Set(uids.slice(40, 50));
  await Promise.all([...leaving, ...here].map((uid) => manager.connect(uid, "s1", "i1")));
  const connect = (uid: string, by = manager) => (here.add(uid), by.connect(uid, "s1", "i1"));
  const disconnect = (uid: string, by = manager) => by.disconnect(uid, "s1", "i1");
  const { slot, to } = await moveOf("user-1");
  let steps = 0;
  const together: Promise<unknown>[] = [];

  await servers.moveSlot(slot, to, async () => {
    steps++;
    // Each alone, wherever its key is, is done at once.
    for (const uid of leaving.splice(0, 3)) await disconnect(uid);
    await connect(coming.pop()!);
    // Some whose keys have moved, with some whose keys have not.
    together.push(...leaving.splice(0, 2).map((uid) => disconnect(uid, other)), connect(coming.pop()!, other));
  });
  await Promise.all(together);
  await Promise.all(leaving.map((uid) => disconnect(uid)));

  t.true(steps >= 3, `${steps}`);
  const sessions = await manager.getSessions(uids);
  const found = uids.filter((_uid, index) => sessions[index]!.length > 0);
  t.deepEqual(found.toSorted(), [...here].toSorted());
  t.deepEqual(await manager.countUsers(["s1"]), [here.size]);
});

/** How long it takes until a call is sent again that has found keys on their way: longer than a subscription needs to follow. */
const AGAIN_MS = 2000;

test.serial("the end of a large channel whose slot moves is told to all who were members", async (t) => {
  const client = new Cluster(servers.startupNodes, { retryDelayOnTryAgain: AGAIN_MS });
  t.teardown(() => client.disconnect());
  const { manager, moveOf } = await startManager(t, "end", client);
  const uids = numbers(1001).map((n) => `user-${n}`);
  await manager.addMany(membersAt("s1", "room", uids));
  const told: string[] = [];
  await manager.watch("s1", {
    change: (change) => {
      if (change.type === "leave") told.push(...change.uids);
    },
  });
  // What tells of the members is held back until their keys have moved.
  const { command, lua } = drain.clustered;
  client.defineCommand(command, { lua });
  const commands = client as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  const send = commands[command]!.bind(client);
  let release: (() => void) | undefined;
  commands[command] = async (...args) => {
    commands[command] = send;
    await new Promise<void>((resolve) => (release = resolve));
    return send(...args);
  };

  const destroying = manager.destroyChannel("room");
  await eventually(() => release !== undefined, 5000);
  const { slot, to } = await moveOf("room");
  await servers.moveSlot(slot, to, async ({ left }) => {
    if (left > 0) return;
    release!();
    // Long enough for all of it.
    await Promise.race([destroying, sleep(200)]);
  });

  t.is(await destroying, 1001);
  await eventually(() => told.length >= 1001, 5000);
  t.deepEqual(told.toSorted(), uids.toSorted());
});
