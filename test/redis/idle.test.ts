import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { Frontend, GlobalChannelService } from "../../src/index.js";
import { redis } from "../../src/redis/index.js";
import { eventually } from "../cluster/cluster.js";
import { RecordingConnector } from "../support/recording-connector.js";
import { type RedisServer, startRedis } from "../support/redis-server.js";
import { membersAt } from "../support/stage.js";

// What a cluster costs Redis that does nothing, with default options.

const MEASURED_MS = 12_000;

async function start(t: ExecutionContext, parts: { isService?: boolean; members?: number }): Promise<RedisServer> {
  const { isService = false, members = 0 } = parts;
  const server = await startRedis();
  t.teardown(() => server.stop());
  const cluster = redis(server.url);
  const clients = new RecordingConnector();
  const frontend = new Frontend({ sid: "s1", stype: "connector", cluster, connector: clients });
  t.teardown(() => frontend.stop());
  await frontend.start();
  const service = new GlobalChannelService({ cluster: isService ? cluster : redis(server.url) });
  t.teardown(() => service.stop());
  await service.start();
  const uids = Array.from({ length: members }, (_, index) => `u${index}`);
  for (const uid of uids) clients.connect(uid);
  if (members > 0) await service.addMany(membersAt("s1", "room", uids));
  t.is(await service.count("room"), members);
  // The sessions are noted one by one.
  const client = new Redis(server.url);
  t.teardown(() => client.disconnect());
  await eventually(async () => (await client.scard("gc:on:s1")) === members, 10_000);
  if (!isService) await service.stop();
  return server;
}

/** How many commands per second clients send, those within scripts not counted, and which. */
async function measure(t: ExecutionContext, server: RedisServer): Promise<{ perSecond: number; commands: string[] }> {
  const client = new Redis(server.url);
  const monitor = await client.monitor();
  t.teardown(() => {
    monitor.disconnect();
    client.disconnect();
  });
  const commands: string[] = [];
  monitor.on("monitor", (_time: string, args: string[], source: string) => {
    if (source !== "lua") commands.push(args[0]!);
  });
  const startedAt = performance.now();
  await sleep(MEASURED_MS);
  return { perSecond: (commands.length * 1000) / (performance.now() - startedAt), commands };
}

for (const members of [0, 10_000]) {
  test(`a frontend with ${members} members makes at most one command per second`, async (t) => {
    const server = await start(t, { members });

    const { perSecond, commands } = await measure(t, server);

    // One more than the seconds may fall into the time.
    t.true(perSecond <= 1 + 1000 / MEASURED_MS, `${perSecond}: ${commands.join(" ")}`);
    t.true(commands.length > 5);
  });
}

test("a process with a frontend and a service makes little more than two commands per second", async (t) => {
  const server = await start(t, { isService: true });

  const { perSecond, commands } = await measure(t, server);

  t.true(perSecond <= 2.5, `${perSecond}: ${commands.join(" ")}`);
});
