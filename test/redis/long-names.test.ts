import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { Frontend, GlobalChannelService } from "../../src/index.js";
import { redis, RedisChannelHistory, RedisConnection } from "../../src/redis/index.js";
import { RecordingConnector } from "../support/recording-connector.js";
import { startRedis } from "../support/redis-server.js";

// The longest names that are let through, of what becomes longest when it is escaped.
const LONGEST = "%".repeat(1024);

/** Everything once that has to do with names, a renewal of the lease included. */
async function useEverything(url: string): Promise<void> {
  const clients = new RecordingConnector();
  const cluster = redis(url);
  const frontend = new Frontend({ sid: LONGEST, stype: LONGEST, cluster, connector: clients });
  const service = new GlobalChannelService({ cluster: redis(url) });
  await Promise.all([frontend.start(), service.start()]);
  try {
    clients.connect(LONGEST);
    await service.add(LONGEST, LONGEST, LONGEST);
    await cluster.registry.list();
    await service.pushMessage(LONGEST, "chat", 1, LONGEST);
    await service.pushToUsers(LONGEST, "chat", 1, [LONGEST]);
    await service.broadcast(LONGEST, "chat", 1);
    await service.getMembersByChannelName(LONGEST, LONGEST);
    await service.getChannels(LONGEST);
    await service.leave(LONGEST, LONGEST, LONGEST);
    await service.add(LONGEST, LONGEST, LONGEST);
    await service.destroyChannel(LONGEST);
  } finally {
    await frontend.stop();
    await service.stop(true);
  }
}

type SlowEntry = [id: number, at: number, us: number, args: string[]];

/** Does something until Redis has not been slow at it: it may have had to wait for its processor, but not so many times in a row. */
async function isSoonQuick(t: ExecutionContext, admin: Redis, attempts: number, use: () => Promise<unknown>) {
  const slow: unknown[] = [];
  for (let attempt = 0; attempt < attempts; attempt++) {
    await admin.call("SLOWLOG", "RESET");
    await use();
    const entries = (await admin.call("SLOWLOG", "GET")) as SlowEntry[];
    if (entries.length === 0) break;
    slow.push(entries.map(([, , us, [command, sha]]) => `${command} ${sha} ${us} us`));
  }
  t.true(slow.length < attempts, JSON.stringify(slow));
}

async function startWatched(t: ExecutionContext): Promise<{ url: string; admin: Redis }> {
  const server = await startRedis({ args: ["--slowlog-log-slower-than", "10000"] });
  t.teardown(() => server.stop());
  const admin = new Redis(server.port, server.host);
  t.teardown(() => admin.disconnect());
  return { url: server.url, admin };
}

test.serial("no command takes Redis long for the longest names", async (t) => {
  const { url, admin } = await startWatched(t);

  await isSoonQuick(t, admin, 5, () => useEverything(url));
});

test.serial(
  "nothing of a history takes Redis long, for the longest names, large messages and many of them",
  async (t) => {
    const { url, admin } = await startWatched(t);
    const history = new RedisChannelHistory(new RedisConnection(url), {
      channels: { "*": { size: 100, ttlMs: 60_000 } },
    });
    await history.start();
    t.teardown(() => history.stop());
    const limits = { size: 1_000, ttlMs: 60_000 };
    const names = Array.from({ length: 1_000 }, (_value, index) => LONGEST.slice(8) + String(index).padStart(8, "%"));
    const large = "x".repeat(1024 * 1024);
    let count = 0;
    const keep = (body: string, name: string, except: readonly string[] = []) => {
      const entry = { stype: LONGEST, route: LONGEST, body, except, names: [name], id: LONGEST };
      return history.append({
        entry,
        limits: [limits],
        idempotencyKey: LONGEST.slice(8) + String(++count).padStart(8),
      });
    };
    for (let kept = 0; kept < 20; kept++) await keep(large, LONGEST);
    for (let kept = 0; kept < 20; kept++) await keep("x", "left out", names.slice(0, 900));
    await Promise.all(names.map(() => keep("x".repeat(200), "small")));

    for (const use of [
      () => keep(large, LONGEST),
      () => keep("x", "left out", names.slice(0, 900)),
      ...[LONGEST, "left out", "small"].flatMap((name) =>
        [false, true].map((reverse) => () => history.read(name, { after: 0, limit: 500, reverse })),
      ),
      () => history.positions(names),
      () => history.settle([LONGEST], LONGEST.slice(8) + "1".padStart(8), LONGEST),
      () => history.remove(LONGEST),
    ]) {
      await isSoonQuick(t, admin, 20, use);
    }
  },
);
