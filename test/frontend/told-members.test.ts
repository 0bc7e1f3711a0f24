import { Redis } from "ioredis";
import type { Connector } from "../../src/index.js";
import { eventually } from "../cluster/cluster.js";
import { RecordingConnector } from "../support/recording-connector.js";
import { connect, errorsOf, membersAt, onEveryStage } from "../support/stage.js";

// What a frontend tells its connector of the members there.

const test = onEveryStage();

class Listening extends RecordingConnector implements Connector {
  readonly told: string[] = [];

  joined(uid: string, name: string): void {
    this.told.push(`+${uid} ${name}`);
  }
  left(uid: string, name: string): void {
    this.told.push(`-${uid} ${name}`);
  }
}

test("every join and leave is told in turn, whoever makes it, and none twice", async (t, stage) => {
  const service = await stage.service();
  const connector = new Listening();
  const { frontend } = await stage.frontend("s1", { connector });
  await connect(service, "s1", connector, ["ann", "bob"]);

  await service.addMany([...membersAt("s1", "room", ["ann", "absent"]), ...membersAt("s2", "room", ["bob"])]);
  await service.add("room", "ann", "s1");
  await eventually(() => connector.told.length === 2, 3000);
  t.deepEqual(connector.told.toSorted(), ["+absent room", "+ann room"]);

  await service.leave("room", "ann", "s1");
  await service.add("room", "ann", "s1");
  await service.destroyChannel("room");
  await service.add("hall", "bob", "s1");
  connector.disconnect("bob");
  await eventually(() => connector.told.includes("-bob hall"), 3000);
  await eventually(() => connector.told.length === 8, 3000);
  t.deepEqual(
    connector.told.slice(2).filter((told) => told.includes("ann")),
    ["-ann room", "+ann room", "-ann room"],
  );
  t.deepEqual(connector.told.slice(6), ["+bob hall", "-bob hall"]);
  await frontend.stop();
});

test("the channels of a user are known when it opens a session", async (t, stage) => {
  const service = await stage.service();
  const connector = new Listening();
  await stage.frontend("s1", { connector });
  await service.addMany([...membersAt("s1", "room", ["ann"]), ...membersAt("s1", "hall", ["ann", "bob"])]);
  await eventually(() => connector.told.length === 3, 3000);

  t.deepEqual(connector.channelsOf("ann").toSorted(), ["hall", "room"]);
  t.deepEqual(connector.channelsOf("bob"), ["hall"]);
  t.deepEqual(connector.channelsOf("nobody"), []);
});

test("what a connector throws is told, and harms nothing", async (t, stage) => {
  const service = await stage.service();
  const connector = new Listening();
  connector.joined = () => {
    throw new Error("refused by the connector");
  };
  const { frontend } = await stage.frontend("s1", { connector });
  const errors = errorsOf(t, frontend);
  await connect(service, "s1", connector, ["ann"]);
  await service.add("room", "ann", "s1");

  t.is((await service.pushMessage("connector", "chat", 1, "room")).delivered, 1);
  await eventually(() => errors.length > 0, 3000);
  t.deepEqual(
    errors.map(({ message }) => message),
    ["refused by the connector"],
  );
});

test.onRedisAlone("members that come back after the store has lost them have never left", async (t, stage) => {
  const service = await stage.service();
  const connector = new Listening();
  await stage.frontend("s1", { connector, leaseMs: 300 });
  await connect(service, "s1", connector, ["ann"]);
  await service.add("room", "ann", "s1");
  await eventually(() => connector.told.length === 1, 3000);

  const admin = new Redis(stage.url!);
  t.teardown(() => admin.disconnect());
  await admin.flushall();
  await eventually(async () => (await service.count("room")) === 1, 10_000);

  const joined = connector.told.filter((told) => told === "+ann room").length;
  t.is(joined - connector.told.filter((told) => told === "-ann room").length, 1);
});
