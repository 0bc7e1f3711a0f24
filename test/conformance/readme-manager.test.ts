// The manager that README shows in full.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import test from "ava";
import {
  channelManagerConformance,
  channelManagerTests,
  missingCapabilities,
  type MakeHarness,
} from "../../src/conformance/index.js";
import { Frontend, GlobalChannelService, memory, type ChannelManager } from "../../src/index.js";
import { mysqlTest, useMysql } from "../support/mysql-tests.js";
import { RecordingConnector } from "../support/recording-connector.js";

const root = fileURLToPath(new URL("../..", import.meta.url));

const MyManager = await loadManager();

const mysql = useMysql();

test.after.always(() => rm(MyManager.folder, { recursive: true }));

/** Instances with connections of their own, as in different processes, on one database. */
const byUrl: MakeHarness<ChannelManager> = async () => {
  const database = await mysql.createDatabase();
  return {
    open: () => MyManager.open(database.url),
    interrupt: () => database.cut(),
    close: () => database.drop(),
  };
};

const { capabilities } = MyManager.open("mysql://127.0.0.1");
const cases = channelManagerConformance().filter((c) => missingCapabilities(c, capabilities).length === 0);

test("it declares bulk and queries, and is held to the cases of those", (t) => {
  t.deepEqual(capabilities, { bulk: true, queries: true });
  t.deepEqual(
    channelManagerTests(() => MyManager.open("mysql://127.0.0.1")).map(({ name }) => name),
    cases.map(({ name }) => name),
  );
});

for (const { name, run } of cases) mysqlTest(name, (t) => t.notThrowsAsync(run(byUrl)));

mysqlTest("while the database cannot be reached, start fails, and may be called again", async (t) => {
  const database = await mysql.createDatabase();
  t.teardown(() => database.drop());
  const url = new URL(database.url);
  const { port } = url;
  url.port = "1";
  const manager = MyManager.open(url.href);

  await t.throwsAsync(async () => manager.start?.(), { code: "GC_TIMEOUT" });
  await manager.stop?.();
  url.port = port;
  Object.assign(manager, { url: url.href });
  await manager.start?.();

  t.true(await manager.add("room", "ann", "s1"));
  await manager.stop?.();
});

mysqlTest("services and frontends work with it", async (t) => {
  const database = await mysql.createDatabase();
  t.teardown(() => database.drop());
  const cluster = { ...memory(), manager: MyManager.open(database.url) };
  const service = new GlobalChannelService({ cluster });
  const clients = new RecordingConnector();
  const frontend = new Frontend({ sid: "connector-1", stype: "connector", cluster, connector: clients });
  await service.start();
  await frontend.start();
  for (const uid of ["alice", "bob"]) clients.connect(uid);
  await service.addMany(["alice", "bob", "carol"].map((uid) => ({ name: "guild-7", uid, sid: "connector-1" })));

  const { delivered, failIds } = await service.pushMessage("connector", "chat", { text: "hi" }, "guild-7");

  t.deepEqual({ delivered, failIds }, { delivered: 2, failIds: ["carol"] });
  t.deepEqual(clients.received("bob"), [{ route: "chat", msg: { text: "hi" } }]);
  t.true(await service.isMember("guild-7", "alice"));
  await frontend.stop();
  await service.stop();
});

/** Takes it out of README. Its imports lead to src, and to the packages of the project, in which its folder is. */
async function loadManager(): Promise<{ folder: string; open: (url: string) => ChannelManager }> {
  const readme = await readFile(join(root, "README.md"), "utf8");
  const [, code] = /^```js\n(\/\/ file: my-manager\.mjs\n.*?)^```$/ms.exec(readme) ?? [];
  if (code === undefined) throw new Error("README has no block my-manager.mjs");
  const folder = await mkdtemp(join(root, "node_modules", ".readme-manager-"));
  const file = join(folder, "my-manager.mjs");
  await writeFile(file, code.replace('"globalchannel"', JSON.stringify(join(root, "src/index.ts"))));
  const { MyManager: Manager } = (await import(pathToFileURL(file).href)) as {
    MyManager: new (url: string) => ChannelManager;
  };
  return { folder, open: (url) => new Manager(url) };
}
