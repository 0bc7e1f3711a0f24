import test from "ava";
import { redis } from "../../src/redis/index.js";
import { startRedis } from "../support/redis-server.js";

test("an add of the tick in which the manager is stopped is made", async (t) => {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const [manager, other] = [redis(server.url).manager, redis(server.url).manager];
  await manager.start!();
  await other.start!();
  t.teardown(() => other.stop!());

  const added = manager.add("room", "ann", "s1");
  const stopped = manager.stop!();

  t.true(await added);
  await stopped;
  t.deepEqual(await other.getMembersBySid("room", "s1"), ["ann"]);
});
