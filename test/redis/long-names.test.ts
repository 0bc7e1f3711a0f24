import test from "ava";
import { Redis } from "ioredis";
import { Frontend, GlobalChannelService } from "../../src/index.js";
import { redis } from "../../src/redis/index.js";
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

test("no command takes Redis long for the longest names", async (t) => {
  const server = await startRedis({ args: ["--slowlog-log-slower-than", "10000"] });
  t.teardown(() => server.stop());
  const admin = new Redis(server.port, server.host);
  t.teardown(() => admin.disconnect());

  const slow: unknown[] = [];
  for (let round = 0; round < 5; round++) {
    await admin.call("SLOWLOG", "RESET");
    await useEverything(server.url);
    const entries = (await admin.call("SLOWLOG", "GET")) as [id: number, at: number, us: number, args: string[]][];
    // Redis may have had to wait for its processor: not five times in a row.
    if (entries.length === 0) break;
    slow.push(entries.map(([, , us, [command, sha]]) => `${command} ${sha} ${us} us`));
  }

  t.true(slow.length < 5, JSON.stringify(slow));
});
