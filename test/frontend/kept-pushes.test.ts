import type { ChannelManager, ClientMessage } from "../../src/index.js";
import { eventually } from "../cluster/cluster.js";
import { Deferred } from "../connectors/websocket-support.js";
import { RecordingConnector } from "../support/recording-connector.js";
import { connect, membersAt, onEveryStage, replacing } from "../support/stage.js";

const test = onEveryStage();

/** Notes which channels each user is told a position of. */
class Noting extends RecordingConnector {
  readonly told = new Map<string, string[]>();

  override deliver(uids: ReadonlySet<string>, message: ClientMessage) {
    for (const uid of uids) this.told.set(uid, message.positions?.map(({ name }) => name) ?? []);
    return super.deliver(uids, message);
  }
}

test("each user is told of its own channels alone where a message is, also where one alone keeps it", async (t, stage) => {
  const cluster = stage.cluster();
  const limits = { size: 10, ttlMs: 60_000 };
  const history = replacing(cluster.history!, { limitsOf: (name) => (name === "hall" ? limits : undefined) });
  const service = await stage.service({ cluster: { ...cluster, history } });
  const connector = new Noting();
  await stage.newFrontend("s1", { connector }).frontend.start();
  await connect(service, "s1", connector, ["ann", "bob", "cid"]);
  await service.addMany([...membersAt("s1", "room", ["ann", "bob"]), ...membersAt("s1", "hall", ["bob", "cid"])]);

  await service.pushMessage("connector", "chat", 1, ["room", "hall"], { history: limits });
  t.deepEqual(Object.fromEntries(connector.told), { ann: ["room"], bob: ["room", "hall"], cid: ["hall"] });
  await service.pushMessage("connector", "chat", 2, ["room", "hall"]);

  t.deepEqual(Object.fromEntries(connector.told), { ann: [], bob: ["hall"], cid: ["hall"] });
});

/** Tells a frontend nothing of changes of a channel, and lets it read who is in there once that is let go. */
function holding(manager: ChannelManager, channel: string) {
  const told: string[] = [];
  const letGo = new Deferred<void>();
  const asked = new Deferred<void>();
  const held = replacing(manager, {
    watch: (sid, listener) =>
      manager.watch!(sid, {
        ...listener,
        change(change) {
          if (change.name === channel) return;
          listener.change(change);
          told.push(`${change.type} ${change.name}`);
        },
      }),
    async readMemberSet(name, sid) {
      if (name === channel) {
        asked.resolve();
        await letGo.promise;
      }
      return manager.readMemberSet!(name, sid);
    },
  });
  return { held, told, asked, letGo };
}

test("who was in a channel that ends while others of the push are read is told where the message is", async (t, stage) => {
  const service = await stage.service();
  const connector = new Noting();
  const cluster = stage.cluster();
  const { held, told, asked, letGo } = holding(cluster.manager, "hall");
  await stage.newFrontend("s1", { connector, cluster: { ...cluster, manager: held } }).frontend.start();
  await connect(service, "s1", connector, ["ann", "bob"]);
  await service.addMany([...membersAt("s1", "room", ["ann"]), ...membersAt("s1", "hall", ["bob"])]);
  await eventually(() => told.includes("join room"), 5000);

  const push = service.pushMessage("connector", "chat", 1, ["room", "hall"], { history: { size: 10, ttlMs: 60_000 } });
  await asked.promise;
  await service.destroyChannel("room");
  await eventually(() => told.includes("clear room"), 5000);
  letGo.resolve();
  await push;

  t.deepEqual(Object.fromEntries(connector.told), { ann: ["room"], bob: ["hall"] });
});
