import test from "ava";
import { connectClients, eventually, memberships, numbers, startCluster } from "./cluster.js";

const CLIENTS = 100;
const PUSHES = 300;

test("each of 3 × 100 clients gets each push of its channels exactly once and in order, and no other", async (t) => {
  const { frontends, backends } = await startCluster(t, { backends: 2 });
  const clients = await connectClients(t, frontends, CLIENTS);
  const [backend, other] = backends;
  const rooms = new Map([
    ["world", clients],
    ["odd: {room}\n", clients.filter((_client, index) => index % 2 === 1)],
    ["first frontend", clients.filter(({ sid }) => sid === "connector-1")],
    ["just one", clients.slice(-1)],
    ["nobody", []],
  ]);
  for (const [name, members] of rooms) await backend!.call("addMany", memberships(name, members));

  const names = [...rooms.keys()];
  const pushes = numbers(PUSHES).map((n) => ({ route: "chat", msg: { n }, name: names[n % names.length]! }));
  const [outcomes] = await Promise.all([
    backend!.call("pushAll", pushes),
    other!.call(
      "pushAll",
      numbers(PUSHES).map((n) => ({ route: "news", msg: n, name: "world" })),
    ),
  ]);
  // Whoever got more than this would have it before the last message of all.
  await backend!.call("broadcast", "end", null);
  await eventually(() => clients.every((client) => client.of("end").length === 1), 5000);

  for (const client of clients) {
    const expected = pushes.filter(({ name }) => rooms.get(name)!.includes(client)).map(({ msg }) => msg);
    t.deepEqual(client.of("chat"), expected, client.uid);
    t.deepEqual(client.of("news"), numbers(PUSHES), client.uid);
    t.is(client.received.length, expected.length + PUSHES + 1, client.uid);
  }
  outcomes.forEach(({ report }, index) => {
    const targeted = rooms.get(pushes[index]!.name)!.length;
    t.like(report, { targeted, delivered: targeted, failed: 0, unknown: 0, failIds: [] });
  });
});

test("a push to several channels is one copy per user, and leaves out whom it should", async (t) => {
  const { frontends, backends } = await startCluster(t, { frontends: 2 });
  const clients = await connectClients(t, frontends, 3);
  const [backend] = backends;
  const [left, right] = [clients.slice(0, 4), clients.slice(2)];
  await backend!.call("addMany", [...memberships("left", left), ...memberships("right", right)]);

  const { report } = await backend!.call("push", "both", 1, ["left", "right"], [clients[3]!.uid]);
  await backend!.call("broadcast", "end", null);
  await eventually(() => clients.every((client) => client.of("end").length === 1), 5000);

  t.like(report, { targeted: 5, delivered: 5, failed: 0, unknown: 0 });
  t.deepEqual(
    clients.map((client) => client.of("both").length),
    [1, 1, 1, 0, 1, 1],
  );
});

test("a client that disconnects is out of its channels within a second, one with a second session stays", async (t) => {
  const { frontends, backends } = await startCluster(t, { frontends: 2 });
  const [goes, stays] = await connectClients(t, frontends, 1);
  const [backend] = backends;
  const [second] = await connectClients(t, [frontends[1]!], 1);
  await backend!.call("addMany", [...memberships("room", [goes!, stays!]), ...memberships("hall", [goes!])]);
  t.deepEqual(await backend!.call("sids", goes!.uid), ["connector-1"]);

  await goes!.close();
  await second!.close();

  await eventually(async () => (await backend!.call("members", "hall")).length === 0, 1000);
  t.deepEqual(await backend!.call("members", "room"), [stays!.uid]);
  t.deepEqual(await backend!.call("sids", goes!.uid), []);
  t.deepEqual(await backend!.call("channels", stays!.uid), ["room"]);
  const { report } = await backend!.call("push", "chat", 1, "room");
  t.like(report, { targeted: 1, delivered: 1 });
  const left = await backend!.call("leaves");
  t.deepEqual(left.map(({ name, uid, reason }) => `${name} ${uid} ${reason}`).toSorted(), [
    `hall ${goes!.uid} disconnect`,
    `room ${goes!.uid} disconnect`,
  ]);
});
