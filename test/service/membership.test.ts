import { isGlobalChannelError } from "../../src/index.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { cuttable, errorsOf, membersAt, onEveryStage } from "../support/stage.js";

// Membership and queries of the service, with frontends that have no sockets.

const test = onEveryStage();

test("add and leave say whether they changed anything, and a numeric uid is its decimal string", async (t, stage) => {
  await stage.frontend("s1");
  const service = await stage.service();

  t.true(await service.add("room", "ann", "s1"));
  t.false(await service.add("room", "ann", "s1"));
  t.true(await service.leave("room", "ann", "s1"));
  t.false(await service.leave("room", "ann", "s1"));
  t.true(await service.add("room", 7, "s1"));
  t.false(await service.add("room", "7", "s1"));
});

test("addMany and leaveMany say how many they changed, of any channels and frontends", async (t, stage) => {
  const service = await stage.service();
  const members = [...membersAt("s1", "a", ["ann", "bob"]), ...membersAt("s2", "b", ["ann"])];

  t.is(await service.addMany([...members, ...membersAt("s1", "a", ["ann"])]), 3);
  t.is(await service.addMany([...members, ...membersAt("s1", "b", ["eve"])]), 1);
  t.is(await service.leaveMany([...members, ...membersAt("s1", "a", ["nobody"])]), 3);
  t.is(await service.leaveMany(members), 0);
  t.is(await service.addMany([]), 0);
});

test("leaveAll takes a user out of every channel at one frontend, whether that is live or not", async (t, stage) => {
  await stage.frontend("s1");
  await stage.frontend("s2");
  const service = await stage.service({ timeoutMs: 500 });
  for (const sid of ["s1", "s2", "never"]) {
    await service.addMany(["a", "b", "c"].flatMap((name) => membersAt(sid, name, ["ann", "bob"])));
  }

  t.is(await service.leaveAll("ann", "s1"), 3);
  t.is(await service.leaveAll("ann", "s1"), 0);
  t.is(await service.leaveAll("ann", "never"), 3);
  t.is(await service.leaveAll("nobody", "never"), 0);

  t.deepEqual(await service.getMembersBySid("a", "s1"), ["bob"]);
  t.deepEqual((await service.getMembersBySid("a", "s2")).toSorted(), ["ann", "bob"]);
  t.true(await service.add("a", "ann", "never"));
});

test("leaveAll asks the store where a transport of the user's own fails with an error of its own", async (t, stage) => {
  await stage.frontend("s1");
  const cluster = stage.cluster();
  const transport = { serve: () => () => {}, request: () => Promise.reject(new Error("no route")) };
  const service = await stage.service({ cluster: { ...cluster, transport } });
  await service.add("room", "ann", "s1");

  t.is(await service.leaveAll("ann", "s1"), 1);
});

test("destroyChannel says how many members there were, at dead frontends too, and the channel begins afresh", async (t, stage) => {
  await stage.frontend("s1");
  const service = await stage.service();
  await service.addMany([...membersAt("s1", "room", ["ann", "bob"]), ...membersAt("never", "room", ["eve"])]);
  await service.add("other", "ann", "s1");

  t.is(await service.destroyChannel("room"), 3);
  t.is(await service.destroyChannel("room"), 0);

  t.is(await service.count("room"), 0);
  t.deepEqual(await service.getMembersBySid("room", "s1"), []);
  t.deepEqual(await service.getMembersBySid("other", "s1"), ["ann"]);
  t.true(await service.add("room", "ann", "s1"));
});

test("members are listed by frontend and by type, each user once", async (t, stage) => {
  await stage.frontend("s1");
  await stage.frontend("s2");
  await stage.frontend("g1", { stype: "gate" });
  const service = await stage.service();
  await service.addMany([
    ...membersAt("s1", "room", ["ann", "bob"]),
    ...membersAt("s2", "room", ["ann", "cid"]),
    ...membersAt("g1", "room", ["dan"]),
  ]);

  t.deepEqual((await service.getMembersBySid("room", "s1")).toSorted(), ["ann", "bob"]);
  t.deepEqual((await service.getMembersByChannelName("connector", "room")).toSorted(), ["ann", "bob", "cid"]);
  t.deepEqual(await service.getMembersByChannelName("gate", "room"), ["dan"]);
  t.deepEqual(await service.getMembersByChannelName("other", "room"), []);
  t.deepEqual(await service.getMembersBySid("no such room", "s1"), []);
});

test("count and isMember know all frontends; count knows one type too, and counts a user at each frontend", async (t, stage) => {
  await stage.frontend("s1");
  await stage.frontend("s2");
  await stage.frontend("g1", { stype: "gate" });
  const service = await stage.service();
  await service.addMany([
    ...membersAt("s1", "room", ["ann"]),
    ...membersAt("s2", "room", ["ann", "bob"]),
    ...membersAt("g1", "room", ["dan"]),
  ]);

  t.is(await service.count("room"), 4);
  t.is(await service.count("room", "connector"), 3);
  t.is(await service.count("room", "gate"), 1);
  t.is(await service.count("room", "other"), 0);
  t.true(await service.isMember("room", "dan"));
  t.false(await service.isMember("room", "eve"));
  t.false(await service.isMember("other", "dan"));
});

test("getSids and getChannels tell where a user is connected, and the channels it has there", async (t, stage) => {
  const { clients: first } = await stage.frontend("s1");
  const { clients: second } = await stage.frontend("s2");
  const service = await stage.service();
  first.connect("ann");
  second.connect("ann");
  await eventually(async () => (await service.getSids("ann")).length === 2, 3000);
  await service.addMany([...membersAt("s1", "a", ["ann"]), ...membersAt("s1", "b", ["ann"])]);
  await service.addMany([...membersAt("s2", "b", ["ann"]), ...membersAt("s2", "c", ["ann", "bob"])]);

  t.deepEqual((await service.getSids("ann")).toSorted(), ["s1", "s2"]);
  t.deepEqual((await service.getChannels("ann")).toSorted(), ["a", "b", "c"]);
  t.deepEqual(await service.getSids("bob"), []);
  t.deepEqual(await service.getChannels("bob"), []);

  second.disconnect("ann");
  await eventually(async () => (await service.getSids("ann")).length === 1, 3000);
  t.deepEqual((await service.getChannels("ann")).toSorted(), ["a", "b"]);
});

test("listMembers pages to the end, and members() yields the same", async (t, stage) => {
  await stage.frontend("s1");
  await stage.frontend("s2");
  await stage.frontend("s3");
  await stage.frontend("g1", { stype: "gate" });
  const service = await stage.service();
  const members = [
    ...membersAt("s1", "room", numbers(700).map(String)),
    ...membersAt("s3", "room", numbers(50).map(String)),
  ];
  await service.addMany([...members, ...membersAt("g1", "room", ["dan"])]);
  const expected = members.map(({ uid, sid }) => `${uid}@${sid}`).toSorted();

  const seen = new Set<string>();
  let [cursor, pages] = [undefined as string | undefined, 0];
  do {
    const page = await service.listMembers("room", { stype: "connector", limit: 20, ...(cursor && { cursor }) });
    for (const { uid, sid } of page.members) seen.add(`${uid}@${sid}`);
    cursor = page.cursor;
    pages++;
  } while (cursor !== undefined);
  const all = new Set<string>();
  for await (const { uid, sid } of service.members("room", { stype: "connector", pageSize: 100 })) {
    all.add(`${uid}@${sid}`);
  }

  t.true(pages > 10, `${pages} pages`);
  t.deepEqual([...seen].toSorted(), expected);
  t.deepEqual([...all].toSorted(), expected);
  t.deepEqual(await service.listMembers("no such room"), { members: [], cursor: undefined });
});

test("a cursor of the longest sid and uids is taken back", async (t, stage) => {
  const sid = "s".repeat(1024);
  await stage.frontend(sid);
  const service = await stage.service();
  await service.addMany(
    membersAt(
      sid,
      "room",
      numbers(700).map((n) => `${n}`.padEnd(1024, "u")),
    ),
  );

  const seen = new Set<string>();
  for await (const { uid } of service.members("room", { pageSize: 50 })) seen.add(uid);

  t.is(seen.size, 700);
});

test("a cursor that never came with a page is refused", async (t, stage) => {
  await stage.frontend("s1");
  const service = await stage.service();
  await service.add("room", "ann", "s1");

  for (const cursor of ["x", "{}", "[]", '["s1"]', "[1,2]", "null"]) {
    await t.throwsAsync(service.listMembers("room", { cursor }), { code: "GC_INVALID_OPTION" }, cursor);
  }
});

test("members at frontends that are not live are neither counted nor listed", async (t, stage) => {
  await stage.frontend("s1");
  const { cluster, cut } = cuttable(stage.cluster());
  await stage.frontend("s2", { cluster, leaseMs: 600 });
  const service = await stage.service();
  await service.addMany([
    ...membersAt("s1", "room", ["ann"]),
    ...membersAt("s2", "room", ["bob"]),
    ...membersAt("never", "room", ["eve"]),
  ]);
  t.is(await service.count("room"), 2);

  cut();
  await eventually(async () => (await service.count("room")) === 1, 3000);

  t.deepEqual(await service.getMembersByChannelName("connector", "room"), ["ann"]);
  t.deepEqual(await service.listMembers("room"), { members: [{ uid: "ann", sid: "s1" }], cursor: undefined });
  for (const [uid, sid] of [
    ["bob", "s2"],
    ["eve", "never"],
  ] as const) {
    t.deepEqual(await service.getMembersBySid("room", sid), []);
    t.false(await service.isMember("room", uid));
  }
  const report = await service.pushMessage("connector", "chat", 1, "room");
  t.is(report.targeted, 1);
});

test("every join and leave is told once, with its reason", async (t, stage) => {
  const { frontend, clients } = await stage.frontend("s1");
  const { cluster, cut } = cuttable(stage.cluster());
  await stage.frontend("s2", { cluster, leaseMs: 600 });
  const service = await stage.service();
  const events = await stage.events({ graceMs: 300, reapIntervalMs: 50 });
  clients.connect("cid");
  await service.add("room", "ann", "s1");
  await service.add("room", "ann", "s1");
  await service.leave("room", "ann", "s1");
  await service.addMany([...membersAt("s1", "room", ["bob", "cid"]), ...membersAt("s2", "hall", ["dan"])]);
  clients.disconnect("cid");
  await eventually(() => events.includes("leave cid@s1 room disconnect"), 3000);
  await service.destroyChannel("room");
  await service.add("lobby", "eve", "s1");
  cut();
  await eventually(() => events.some((event) => event.endsWith("server-down")), 5000);
  await frontend.stop();
  await eventually(() => events.length === 10, 3000);

  t.deepEqual(events.toSorted(), [
    "join ann@s1 room join",
    "join bob@s1 room join",
    "join cid@s1 room join",
    "join dan@s2 hall join",
    "join eve@s1 lobby join",
    "leave ann@s1 room leave",
    "leave bob@s1 room destroyed",
    "leave cid@s1 room disconnect",
    "leave dan@s2 hall server-down",
    "leave eve@s1 lobby disconnect",
  ]);
});

test("members at a sid that never had a lease are removed after a grace, and not before", async (t, stage) => {
  const service = await stage.service();
  const events = await stage.events({ graceMs: 400, reapIntervalMs: 20 });

  const addedAt = performance.now();
  await service.add("room", "ann", "nowhere");
  await eventually(() => events.includes("leave ann@nowhere room server-down"), 5000);

  const tookMs = performance.now() - addedAt;
  t.true(tookMs >= 400, `${tookMs} ms`);
});

test("a frontend that was taken for dead registers its members again, told as restored", async (t, stage) => {
  const { cluster, cut, mend } = cuttable(stage.cluster());
  const { clients } = await stage.frontend("s1", { cluster, leaseMs: 600 });
  const service = await stage.service();
  const events = await stage.events({ graceMs: 0, reapIntervalMs: 20 });
  clients.connect("ann");
  await service.add("room", "ann", "s1");

  cut();
  await eventually(() => events.includes("leave ann@s1 room server-down"), 5000);
  mend();
  await eventually(() => events.includes("join ann@s1 room restored"), 5000);

  t.true(await service.isMember("room", "ann"));
  await eventually(async () => (await service.getSids("ann")).includes("s1"), 3000);
  t.is((await service.pushMessage("connector", "chat", 1, "room")).delivered, 1);
});

test("a listener that throws is told of, and breaks neither the call nor what comes after", async (t, stage) => {
  await stage.frontend("s1");
  const service = await stage.service();
  const errors = errorsOf(t, service);
  const heard: string[] = [];
  service.on("join", ({ uid }) => {
    heard.push(uid);
    throw new Error("oops");
  });

  await eventually(async () => {
    await service.add("room", `probe-${heard.length}`, "s1");
    await service.leave("room", `probe-${heard.length}`, "s1");
    return heard.length > 0;
  }, 3000);
  t.true(await service.add("room", "ann", "s1"));
  await eventually(() => heard.includes("ann"), 3000);

  t.is(errors.length, heard.length);
  const [error] = errors;
  t.true(isGlobalChannelError(error) && error.code === "GC_LISTENER_FAILED");
  t.is((error!.cause as Error).message, "oops");
});
