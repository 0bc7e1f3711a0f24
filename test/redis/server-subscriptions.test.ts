import { once } from "node:events";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { ServerSubscriptions } from "../../src/redis/server-subscriptions.js";
import { eventually } from "../cluster/cluster.js";
import { type RedisServer, startRedis } from "../support/redis-server.js";

// Where Sentinel names another primary, the connection for commands gets there first.

let servers: RedisServer[];
test.before(async () => {
  servers = await Promise.all([startRedis(), startRedis()]);
});
test.after.always(() => Promise.all((servers ?? []).map((server) => server.stop())));

async function connect(t: ExecutionContext, { url }: RedisServer): Promise<Redis> {
  const client = new Redis(url);
  t.teardown(() => client.disconnect());
  await once(client, "ready");
  return client;
}

test("subscriptions are made anew where the other connection is at another server, and only then", async (t) => {
  const [here, there] = await Promise.all(servers.map((server) => connect(t, server)));
  const subscriptions = new ServerSubscriptions(here!.duplicate({ lazyConnect: true }), () => Promise.resolve());
  await subscriptions.open();
  t.teardown(() => subscriptions.close());
  const told: string[] = [];
  await subscriptions.subscribe(["news"], {
    message: (text) => told.push(text),
    lost: () => told.push("lost"),
    gap: () => told.push("gap"),
  });

  subscriptions.follow(here!.stream);
  await here!.publish("news", "1");
  await eventually(() => told.includes("1"), 3000);
  subscriptions.follow(there!.stream);
  await eventually(() => told.includes("gap"), 3000);

  t.deepEqual(told, ["1", "lost", "gap"]);
  there!.disconnect();
  await once(there!, "end");
  subscriptions.follow(there!.stream);
  await here!.publish("news", "2");
  await eventually(() => told.includes("2"), 3000);
  t.deepEqual(told, ["1", "lost", "gap", "2"]);
});
