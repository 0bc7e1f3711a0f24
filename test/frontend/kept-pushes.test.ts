import type { ClientMessage } from "../../src/index.js";
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
