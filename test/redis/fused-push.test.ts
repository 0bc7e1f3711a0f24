import test from "ava";
import { Redis } from "ioredis";
import { Frontend, GlobalChannelService } from "../../src/index.js";
import { redis, RedisConnection } from "../../src/redis/index.js";
import { eventually } from "../cluster/cluster.js";
import { RecordingConnector } from "../support/recording-connector.js";
import { type RedisServer, startRedis } from "../support/redis-server.js";

// Pushes that go together come to each frontend in one message, with nothing in it that is for others alone.

let server: RedisServer;
test.before(async () => {
  server = await startRedis();
});
test.after.always(() => server?.stop());

test("a frontend gets those pushes of a message whose channels have members there", async (t) => {
  const cluster = () => redis(server.url, { prefix: "one" });
  const service = new GlobalChannelService({ cluster: cluster() });
  await service.start();
  t.teardown(() => service.stop(true));
  for (const sid of ["s1", "s2"]) {
    const connector = new RecordingConnector();
    const frontend = new Frontend({ sid, stype: "connector", cluster: cluster(), connector });
    await frontend.start();
    t.teardown(() => frontend.stop());
    connector.connect(`user-${sid}`);
  }
  const keys = new RedisConnection(server.url, { prefix: "one" }).layout.of("");
  const places = { room: ["s1", "s2"], hall: ["s1"], yard: ["s2"] };
  const members = Object.entries(places).flatMap(([name, sids]) =>
    sids.map((sid) => ({ name, uid: `user-${sid}`, sid })),
  );
  await service.addMany(members);
  const messages: Record<string, string[]> = { s1: [], s2: [] };
  const subscriber = new Redis(server.url);
  t.teardown(() => subscriber.disconnect());
  await subscriber.subscribe(keys.inbox("s1"), keys.inbox("s2"));
  subscriber.on("message", (channel: string, message: string) =>
    messages[channel === keys.inbox("s1") ? "s1" : "s2"]!.push(message),
  );

  const reports = await Promise.all(
    [["room"], ["hall"], ["yard"], ["hall", "yard"]].map((names) =>
      service.pushMessage("connector", "chat", names.join(), names),
    ),
  );

  t.deepEqual(
    reports.map(({ frontends }) => frontends.map(({ sid }) => sid).toSorted()),
    [["s1", "s2"], ["s1"], ["s2"], ["s1", "s2"]],
  );
  t.deepEqual(
    reports.map(({ delivered }) => delivered),
    [2, 1, 1, 2],
  );
  await eventually(() => messages["s1"]!.length === 1 && messages["s2"]!.length === 1, 3000);
  const read = (sid: string) => {
    const [entries, , ...lines] = messages[sid]![0]!.split("\n");
    return { here: entries!.split(" ").map((entry) => entry !== "-"), bodies: lines.filter((_line, n) => n % 2 === 1) };
  };
  t.deepEqual(read("s1"), { here: [true, true, false], bodies: ['"room"', '"hall"', '"hall,yard"'] });
  t.deepEqual(read("s2"), { here: [true, false, true], bodies: ['"room"', '"yard"', '"hall,yard"'] });
});
