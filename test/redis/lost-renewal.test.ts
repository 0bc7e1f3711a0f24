import test, { type ExecutionContext } from "ava";
import { RedisConnection, RedisServerRegistry } from "../../src/redis/index.js";
import { type RedisServer, startRedis } from "../support/redis-server.js";

// Renewals of a lease that are carried out though their answer is lost: what they found out is found out again.

const LEASE_MS = 300;
const frontend = { sid: "s1", stype: "connector", incarnation: "1", holder: "pid 1 on here" };

let server: RedisServer;
test.before(async () => {
  server = await startRedis();
});
test.after.always(() => server?.stop());

/** The registry that a frontend uses, and one that does the same and is not heard of. */
async function startRegistries(t: ExecutionContext, prefix: string) {
  const [own, unheard] = [1, 2].map(() => new RedisServerRegistry(new RedisConnection(server.url, { prefix })));
  for (const registry of [own!, unheard!]) {
    await registry.start();
    t.teardown(() => registry.stop());
  }
  await own!.register(frontend, LEASE_MS);
  t.is(await own!.renew(frontend, LEASE_MS), "held");
  return { own: own!, unheard: unheard!, lapse: () => new Promise((resolve) => setTimeout(resolve, LEASE_MS + 50)) };
}

test("a lease that was missing is missing until that is heard of", async (t) => {
  const { own, unheard, lapse } = await startRegistries(t, "missing");
  await lapse();
  t.true(await unheard.forget(frontend));

  t.is(await unheard.renew(frontend, LEASE_MS), "missing");

  t.is(await own.renew(frontend, LEASE_MS), "missing");
  t.is(await own.renew(frontend, LEASE_MS), "held");
});

test("a lease that had lapsed has lapsed until that is heard of", async (t) => {
  const { own, unheard, lapse } = await startRegistries(t, "lapsed");
  await lapse();

  t.is(await unheard.renew(frontend, LEASE_MS), "lapsed");

  t.is(await own.renew(frontend, LEASE_MS), "lapsed");
  t.is(await own.renew(frontend, LEASE_MS), "held");
});

test("a lease that was missing and has lapsed since is missing", async (t) => {
  const { own, unheard, lapse } = await startRegistries(t, "both");
  await lapse();
  await unheard.forget(frontend);
  await unheard.renew(frontend, LEASE_MS);
  await lapse();

  t.is(await own.renew(frontend, LEASE_MS), "missing");
  t.is(await own.renew(frontend, LEASE_MS), "held");
  t.deepEqual(await own.list(), [frontend]);
});
