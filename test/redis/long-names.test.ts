import test from "ava";
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

/** A history of large messages with the longest names, and one of many small ones. */
async function useHistory(url: string): Promise<void> {
  const history = new RedisChannelHistory(new RedisConnection(url), {
    channels: { "*": { size: 100, ttlMs: 60_000 } },
  });
  await history.start();
  const limits = { size: 1_000, ttlMs: 60_000 };
  const keep = (body: string, name: string, except: readonly string[] = []) => {
    const entry = { stype: LONGEST, route: LONGEST, body, except, names: [name], id: LONGEST };
    return history.append({ entry, limits: [limits], idempotencyKey: `${body.slice(0, 1_000)}${Math.random()}` });
  };
  const names = Array.from({ length: 1_000 }, (_value, index) => LONGEST.slice(8) + String(index).padStart(8, "%"));
  try {
    for (let count = 0; count < 20; count++) await keep("x".repeat(1024 * 1024), LONGEST);
    for (let count = 0; count < 20; count++) await keep("x", "left out", names.slice(0, 900));
    await Promise.all(names.map(() => keep("x".repeat(200), "small")));
    for (const name of [LONGEST, "left out", "small"]) {
      for (const reverse of [false, true]) await history.read(name, { after: 0, limit: 500, reverse });
    }
    await history.positions(names);
    await history.settle([LONGEST], LONGEST, LONGEST);
    await history.remove(LONGEST);
  } finally {
    await history.stop();
  }
}

for (const [what, use] of Object.entries({ "no command": useEverything, "nothing of the history": useHistory })) {
  test.serial(`${what} takes Redis long for the longest names`, async (t) => {
    const server = await startRedis({ args: ["--slowlog-log-slower-than", "10000"] });
    t.teardown(() => server.stop());
    const admin = new Redis(server.port, server.host);
    t.teardown(() => admin.disconnect());

    const slow: unknown[] = [];
    for (let round = 0; round < 5; round++) {
      await admin.call("SLOWLOG", "RESET");
      await use(server.url);
      const entries = (await admin.call("SLOWLOG", "GET")) as [id: number, at: number, us: number, args: string[]][];
      // Redis may have had to wait for its processor: not five times in a row.
      if (entries.length === 0) break;
      slow.push(entries.map(([, , us, [command, sha]]) => `${command} ${sha} ${us} us`));
    }

    t.true(slow.length < 5, JSON.stringify(slow));
  });
}
