import { Redis } from "ioredis";
import {
  type ChangeListener,
  GlobalChannelService,
  isGlobalChannelError,
  type GlobalChannelServiceOptions,
} from "../../src/index.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { connect, cuttable, errorsOf, membersAt, onEveryStage, replacing, type Stage } from "../support/stage.js";

// What a service tells of channels and of users who come back, and what its listeners may do.

const test = onEveryStage();

type Teardown = { teardown(end: () => unknown): void };

/** All events of the cluster from now on, as `<type> <who> <name> <reason>`. */
async function listen(t: Teardown, stage: Stage, options: Partial<GlobalChannelServiceOptions> = {}) {
  const service = new GlobalChannelService({ cluster: stage.cluster(), ...options });
  t.teardown(() => service.stop(true));
  const events: string[] = [];
  for (const type of ["join", "leave"] as const) {
    service.on(type, ({ name, uid, sid, reason }) => events.push(`${type} ${uid}@${sid} ${name} ${reason}`));
  }
  for (const type of ["channel-created", "channel-emptied"] as const) {
    service.on(type, ({ name, sid, reason }) => events.push(`${type} ${sid} ${name} ${reason}`));
  }
  await service.start();
  return { service, events };
}

test("a channel is created before its first member joins, and emptied after its last one has left", async (t, stage) => {
  const service = await stage.service();
  const { events } = await listen(t, stage);

  await service.addMany(membersAt("s1", "room", ["ann"]));
  await service.add("room", "bob", "s2");
  await service.leave("room", "ann", "s1");
  await service.leave("room", "bob", "s2");
  await eventually(() => events.length >= 6, 3000);

  t.deepEqual(events, [
    "channel-created s1 room join",
    "join ann@s1 room join",
    "join bob@s2 room join",
    "leave ann@s1 room leave",
    "leave bob@s2 room leave",
    "channel-emptied s2 room leave",
  ]);
});

test("a channel that is destroyed is emptied at once, before its members are told of", async (t, stage) => {
  const service = await stage.service();
  const { events } = await listen(t, stage);
  await service.addMany(membersAt("s1", "room", ["ann"]));

  await service.destroyChannel("room");
  await service.destroyChannel("room");
  await service.add("hall", "bob", "s1");
  await eventually(() => events.includes("join bob@s1 hall join"), 3000);

  t.deepEqual(events, [
    "channel-created s1 room join",
    "join ann@s1 room join",
    "channel-emptied s1 room destroyed",
    "leave ann@s1 room destroyed",
    "channel-created s1 hall join",
    "join bob@s1 hall join",
  ]);
});

test("a channel is emptied by the last one who disconnects, and by the end of a frontend", async (t, stage) => {
  const { clients } = await stage.frontend("s1");
  const { cluster, crash } = stage.crashing();
  const { clients: others } = await stage.frontend("s2", { cluster, leaseMs: 600 });
  const service = await stage.service();
  const { events } = await listen(t, stage, { graceMs: 300, reapIntervalMs: 50 });
  await connect(service, "s1", clients, ["ann"]);
  await connect(service, "s2", others, ["bob"]);
  await service.add("room", "ann", "s1");
  await service.add("hall", "bob", "s2");

  clients.disconnect("ann");
  await eventually(() => events.includes("channel-emptied s1 room disconnect"), 3000);
  crash();
  await eventually(() => events.includes("channel-emptied s2 hall server-down"), 5000);

  t.deepEqual(events.slice(-2), ["leave bob@s2 hall server-down", "channel-emptied s2 hall server-down"]);
  t.is(events.filter((event) => event.startsWith("channel-")).length, 4);
});

/** Long enough for a user to come back on a busy machine. */
const DELAY_MS = 2000;

/** Ann at s1, who joins a channel in which she is alone; what is heard with and without a delay. */
async function flaps(t: Teardown, stage: Stage) {
  const [first, second] = [await stage.frontend("s1"), await stage.frontend("s2")];
  const service = await stage.service();
  const { events: all } = await listen(t, stage);
  const { events } = await listen(t, stage, { leaveDelayMs: DELAY_MS });
  await connect(service, "s1", first.clients, ["ann"]);
  await service.add("room", "ann", "s1");
  await eventually(() => events.includes("join ann@s1 room join"), 3000);
  const began = ["channel-created s1 room join", "join ann@s1 room join"];
  /** Heard by both: what was held back before it would have been told before it. */
  const sentinel = async (): Promise<string[]> => {
    await service.add("sentinel", "zoe", "s1");
    await service.leave("sentinel", "zoe", "s1");
    await eventually(() => events.includes("channel-emptied s1 sentinel leave"), DELAY_MS + 3000);
    return events.filter((event) => event.includes(" room "));
  };
  return { first: first.clients, second: second.clients, service, all, events, began, sentinel };
}

test("a user who reconnects to the same frontend within leaveDelayMs has never been away", async (t, stage) => {
  const { first, service, all, began, sentinel } = await flaps(t, stage);

  first.disconnect("ann");
  await eventually(() => all.includes("channel-emptied s1 room disconnect"), 3000);
  await connect(service, "s1", first, ["ann"]);
  await service.add("room", "ann", "s1");

  t.deepEqual(await sentinel(), began);
  t.is(all.filter((event) => event.includes(" room ")).length, 6, "without the delay all of it is told");
});

test("a user who reconnects to another frontend within leaveDelayMs has never been away", async (t, stage) => {
  const { first, second, service, all, events, began, sentinel } = await flaps(t, stage);

  first.disconnect("ann");
  await eventually(() => all.includes("channel-emptied s1 room disconnect"), 3000);
  await connect(service, "s2", second, ["ann"]);
  await service.add("room", "ann", "s2");

  t.deepEqual(await sentinel(), began);
  second.disconnect("ann");
  await eventually(() => events.includes("channel-emptied s2 room disconnect"), DELAY_MS + 3000);
  t.is(events.at(-2), "leave ann@s2 room disconnect");
});

test("a user who is at another frontend before the old connection is seen to be gone has moved", async (t, stage) => {
  const { first, second, service, all, began, sentinel } = await flaps(t, stage);

  await connect(service, "s2", second, ["ann"]);
  await service.add("room", "ann", "s2");
  first.disconnect("ann");
  await eventually(() => all.includes("leave ann@s1 room disconnect"), 3000);

  t.deepEqual(await sentinel(), [...began, "join ann@s2 room join"]);
});

test("a user who is at another frontend soon after its own has died has moved, though that is heard of later", async (t, stage) => {
  const { cluster, cut } = cuttable(stage.cluster());
  const first = await stage.frontend("s1", { cluster, leaseMs: 300 });
  const second = await stage.frontend("s2");
  const service = await stage.service({ graceMs: 1500, reapIntervalMs: 100 });
  const { events: all } = await listen(t, stage, { graceMs: 1500 });
  const { events } = await listen(t, stage, { graceMs: 1500, leaveDelayMs: 500 });
  await connect(service, "s1", first.clients, ["ann", "ben"]);
  await service.addMany(membersAt("s1", "room", ["ann", "ben"]));

  cut();
  await connect(service, "s2", second.clients, ["ann"]);
  await service.add("room", "ann", "s2");
  await eventually(() => all.includes("leave ann@s1 room server-down"), 10_000);
  await eventually(() => events.includes("leave ben@s1 room server-down"), 10_000);

  t.deepEqual(
    events.filter((event) => event.includes("ann@")),
    ["join ann@s1 room join", "join ann@s2 room join"],
  );
});

test("what is held back is told at the stop, and a user who does not come back leaves", async (t, stage) => {
  const service = await stage.service();
  const { service: stopped, events } = await listen(t, stage, { leaveDelayMs: 60_000 });
  const { events: later } = await listen(t, stage, { leaveDelayMs: 100 });
  const { events: all } = await listen(t, stage);
  await service.add("room", "ann", "s1");
  await service.leave("room", "ann", "s1");
  await eventually(() => later.length === 4 && all.length === 4, 3000);
  // Where changes are asked for, each service asks for itself.
  await eventually(() => events.length === 2, 3000);
  await service.add("hall", "ann", "s1");
  await eventually(() => events.length === 4, 3000);

  await stopped.stop();

  t.deepEqual(later.slice(0, 4), all.slice(0, 4));
  t.deepEqual(events.slice(4), ["leave ann@s1 room leave", "channel-emptied s1 room leave"]);
});

test("listeners that throw or reject for each event break neither pushes nor later events, and are told of", async (t, stage) => {
  const { clients } = await stage.frontend("s1");
  const service = await stage.service();
  const errors = errorsOf(t, service);
  const uids = numbers(20).map((n) => `u${n}`);
  await connect(service, "s1", clients, uids);
  await service.addMany(membersAt("s1", "room", uids));
  const heard: string[] = [];
  service.on("join", ({ uid }) => {
    heard.push(uid);
    throw new Error("thrown");
  });
  // An async listener, as users write them, though types say that nothing waits for it.
  // oxlint-disable-next-line typescript/no-misused-promises
  for (const type of ["leave", "channel-created", "channel-emptied"] as const) {
    // oxlint-disable-next-line typescript/no-misused-promises
    service.on(type, async () => {
      await Promise.resolve();
      throw new Error("rejected");
    });
  }
  await eventually(async () => {
    await service.add("probe", `probe-${performance.now()}`, "s1");
    return heard.length > 0;
  }, 3000);

  const churn = numbers(50).flatMap((n) => [service.add("hall", `v${n}`, "s1"), service.leave("hall", `v${n}`, "s1")]);
  const reports = await Promise.all(numbers(100).map((n) => service.pushMessage("connector", "chat", n, "room")));
  await Promise.all(churn);
  await service.add("hall", "last", "s1");
  await eventually(() => heard.includes("last"), 3000);

  t.true(reports.every(({ delivered, targeted }) => delivered === 20 && targeted === 20));
  for (const uid of uids) {
    t.deepEqual(
      clients.received(uid).map(({ msg }) => msg),
      numbers(100),
    );
  }
  const causes = errors.map((error) => {
    t.true(isGlobalChannelError(error) && error.code === "GC_LISTENER_FAILED", String(error));
    return (error.cause as Error).message;
  });
  t.is(causes.filter((cause) => cause === "thrown").length, heard.length);
  t.true(causes.filter((cause) => cause === "rejected").length >= 50);
});

test("a listener may call the service, and remove itself, within an event", async (t, stage) => {
  await stage.frontend("s1");
  const { service, events } = await listen(t, stage);
  const [found, once]: [boolean[], string[]] = [[], []];
  const hearOnce = ({ uid }: { uid: string }): void => {
    once.push(uid);
    service.off("join", hearOnce);
  };
  service.on("join", hearOnce);
  service.on("join", ({ name, uid, sid }) => {
    if (name !== "room") return;
    void service.isMember("room", uid).then((isMember) => found.push(isMember));
    void service.add("hall", uid, sid);
  });

  for (const uid of ["ann", "bob"]) await service.add("room", uid, "s1");
  await eventually(() => events.includes("join bob@s1 hall join") && found.length === 2, 3000);

  t.deepEqual(found, [true, true]);
  t.deepEqual(once, ["ann"]);
  t.is(events.length, 6);
});

test("whoever listens is told that events may have been missed, and of which channels", async (t, stage) => {
  const cluster = stage.cluster();
  let listener: ChangeListener | undefined;
  const manager = replacing(cluster.manager, {
    watchAll: (given) => {
      listener = given;
      return cluster.manager.watchAll!(given);
    },
  });
  const service = new GlobalChannelService({ cluster: { ...cluster, manager } });
  t.teardown(() => service.stop(true));
  const gaps: boolean[][] = [];
  service.on("gap", ({ concerns }) => gaps.push([concerns("room"), concerns("hall")]));
  await service.start();

  listener!.gap!();
  listener!.gap!({ concerns: (name) => name === "room" });

  t.deepEqual(gaps, [
    [true, true],
    [true, false],
  ]);
});

for (const [more, isFollowed] of [
  ["", false],
  [", also where another one follows", true],
] as const) {
  test(`a listener that comes late hears, with a gap before, where listening has failed at first${more}`, async (t, stage) => {
    const cluster = stage.cluster();
    let attempts = 0;
    const manager = replacing(cluster.manager, {
      watchAll: async (listener) => {
        if (++attempts === 1) throw new Error("not now");
        return cluster.manager.watchAll!(listener);
      },
    });
    const service = new GlobalChannelService({ cluster: { ...cluster, manager } });
    t.teardown(() => service.stop(true));
    const errors = errorsOf(t, service);
    await service.start();
    const events: string[] = [];
    service.on("join", ({ uid }) => events.push(uid)).on("gap", () => events.push("gap"));
    // Whoever comes next does not take the gap of those before.
    if (isFollowed) {
      await eventually(() => errors.length > 0, 3000);
      service.on("leave", () => {});
    }
    await eventually(() => events.length > 0, 5000);

    await service.add("room", "ann", "s1");
    await eventually(() => events.length > 1, 3000);

    t.deepEqual(events, ["gap", "ann"]);
    t.is(attempts, 2);
    t.is(errors.length, 1);
  });
}

test.onRedisAlone("a subscription that was cut and made again is a gap", async (t, stage) => {
  const service = await stage.service();
  let gaps = 0;
  service.on("gap", () => gaps++);
  const events = await stage.events();
  const client = new Redis(stage.url!);
  t.teardown(() => client.disconnect());
  const heard = (): boolean => events.includes("join ann@s1 room join");
  await service.add("room", "ann", "s1");
  await eventually(heard, 3000);
  t.is(gaps, 0);

  await client.call("CLIENT", "KILL", "TYPE", "pubsub");

  await eventually(() => gaps > 0, 5000);
  t.is(gaps, 1);
});
