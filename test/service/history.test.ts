import type { ExecutionContext } from "ava";
import type { GlobalChannelService, HistoryPosition, PushReport } from "../../src/index.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { connect, onEveryStage, replacing, type Stage } from "../support/stage.js";
import { WAYS } from "../support/ways.js";

// What is kept of pushes to channels, and how services read it.

const KEPT = { size: 100, ttlMs: 60_000 };
const test = onEveryStage({
  history: { "room:hidden:*": false, "room*": KEPT, few: { size: 3, ttlMs: 60_000 }, brief: { size: 10, ttlMs: 250 } },
});

const LONG_AGO: HistoryPosition = { epoch: "0123456789ab", offset: 3 };

async function push(service: GlobalChannelService, name: string | string[], msgs: readonly unknown[]) {
  const reports: PushReport[] = [];
  for (const msg of msgs) reports.push(await service.pushMessage("connector", "chat", msg, name));
  return reports;
}

async function msgsOf(service: GlobalChannelService, name: string): Promise<unknown[]> {
  return (await service.history(name)).messages.map(({ msg }) => msg);
}

/** Where the only channel of a push is that keeps it. */
function positionOf({ positions }: PushReport): HistoryPosition {
  const { epoch, offset } = positions![0]!;
  return { epoch, offset };
}

/** A member of these channels, and what it gets. */
async function startMember(stage: Stage, service: GlobalChannelService, names: readonly string[]) {
  const { clients } = await stage.frontend("s1");
  await connect(service, "s1", clients, ["ann"]);
  await service.addMany(names.map((name) => ({ name, uid: "ann", sid: "s1" })));
  return () => clients.received("ann").map(({ msg }) => msg);
}

for (const [way, change] of Object.entries(WAYS)) {
  const start = (stage: Stage): Promise<GlobalChannelService> => stage.service({ cluster: change(stage.cluster()) });

  test.alone(
    `${way}: a push is kept once, its report says where, and everything of it is read again`,
    async (t, stage) => {
      const service = await start(stage);
      const received = await startMember(stage, service, ["room"]);

      const first = await service.pushMessage("connector", "chat", { text: "hi" }, "room", { except: ["bob", 7] });
      const second = await service.pushMessage("gate", "näws\n", null, "room");

      t.like(first, { targeted: 1, delivered: 1 });
      const { epoch } = positionOf(first);
      t.deepEqual(first.positions, [{ name: "room", epoch, offset: 1 }]);
      t.deepEqual(second.positions, [{ name: "room", epoch, offset: 2 }]);
      const { messages, ...rest } = await service.history("room");
      t.deepEqual(rest, { position: { epoch, offset: 2 } });
      t.deepEqual(
        messages.map(({ at, ...message }) => ({ ...message, isNow: Math.abs(at - Date.now()) < 60_000 })),
        [
          { offset: 1, stype: "connector", route: "chat", msg: { text: "hi" }, except: ["bob", "7"], isNow: true },
          { offset: 2, stype: "gate", route: "näws\n", msg: null, except: [], isNow: true },
        ],
      );
      t.true(messages[0]!.at < messages[1]!.at);
      t.deepEqual(received(), [{ text: "hi" }]);
    },
  );

  test.alone(`${way}: a push to several channels is kept by those that keep it, and got once`, async (t, stage) => {
    const service = await start(stage);
    const received = await startMember(stage, service, ["room:1", "room:2", "hall"]);

    const [report] = await push(service, ["room:1", "hall", "room:hidden:1", "room:2", "room:1"], ["hi"]);

    t.deepEqual(
      report!.positions!.map(({ name, offset }) => [name, offset]),
      [
        ["room:1", 1],
        ["room:2", 1],
      ],
    );
    for (const name of ["room:1", "room:2"]) t.deepEqual(await msgsOf(service, name), ["hi"], name);
    for (const name of ["hall", "room:hidden:1"]) {
      t.deepEqual(await service.history(name), { messages: [], position: undefined }, name);
    }
    t.deepEqual(received(), ["hi"]);
  });

  test.alone(`${way}: a push says itself how much is kept, or that it is not`, async (t, stage) => {
    const service = await start(stage);

    const dropped = await service.pushMessage("connector", "chat", 1, "room", { history: false });
    for (const n of numbers(3)) {
      await service.pushMessage("connector", "chat", n, "hall", { history: { size: 2, ttlMs: 60_000 } });
    }
    await service.pushMessage("connector", "chat", "not this", "hall");

    t.is(dropped.positions, undefined);
    t.deepEqual(await msgsOf(service, "room"), []);
    t.deepEqual(await msgsOf(service, "hall"), [2, 3]);
    t.like(await service.history("hall"), { position: { offset: 3 } });
  });

  test.alone(
    `${way}: pushes keep the order of the calls, kept or not, to one channel or more, and so does the history`,
    async (t, stage) => {
      const service = await start(stage);
      const received = await startMember(stage, service, ["room:1", "room:2", "room:hidden:1"]);
      const limits = { size: 1000, ttlMs: 60_000 };
      const names = (n: number): string[] => {
        if (n % 7 === 0) return ["room:hidden:1", "room:1"];
        return n % 3 === 0 ? ["room:2", "room:1"] : ["room:1"];
      };

      await Promise.all(
        numbers(500).map((n) =>
          service.pushMessage("connector", "chat", n, names(n), { history: n % 2 === 0 ? limits : false }),
        ),
      );

      t.deepEqual(received(), numbers(500));
      const kept = numbers(500).filter((n) => n % 2 === 0);
      const inRoom = await service.history("room:1", { limit: 1000 });
      t.deepEqual(
        inRoom.messages.map(({ msg, offset }) => [msg, offset]),
        kept.map((n, index) => [n, index + 1]),
      );
      const { messages } = await service.history("room:2", { limit: 1000 });
      t.deepEqual(
        messages.map(({ msg }) => msg),
        kept.filter((n) => n % 3 === 0 && n % 7 !== 0),
      );
    },
  );

  test.alone(
    `${way}: pushes to several channels are kept in the order of the calls wherever these are`,
    async (t, stage) => {
      const service = await start(stage);
      // In a Redis Cluster they are at different servers.
      const channels = numbers(8).map((n) => `room:${n}`);

      await Promise.all(
        numbers(80).flatMap((n) => [
          service.pushMessage("connector", "chat", n, channels, n % 2 === 0 ? { idempotencyKey: `key ${n}` } : {}),
          service.pushMessage("connector", "chat", `${n} alone`, channels[n % 8]!),
        ]),
      );

      for (const [index, name] of channels.entries()) {
        const all = numbers(80).flatMap((n) => (n % 8 === index ? [n, `${n} alone`] : [n]));
        t.deepEqual(await msgsOf(service, name), all, name);
      }
    },
  );

  test.alone(`${way}: a push to nobody is kept, too, as is one to more than 100 channels`, async (t, stage) => {
    const service = await start(stage);
    const names = numbers(150).map((n) => `room:${n}`);

    const [toOne] = await push(service, "room:1", ["first"]);
    const [toMany] = await push(service, names, ["second"]);
    await push(service, "room:1", ["third"]);

    t.like(toOne, { targeted: 0, frontends: [] });
    t.deepEqual(
      toMany!.positions!.map(({ name }) => name),
      names,
    );
    t.deepEqual(await msgsOf(service, "room:1"), ["first", "second", "third"]);
    t.deepEqual(await msgsOf(service, "room:150"), ["second"]);
  });

  test.alone(`${way}: without answers pushes are kept as ever`, async (t, stage) => {
    const service = await start(stage);
    const received = await startMember(stage, service, ["room"]);

    const report = await service.pushMessage("connector", "chat", 1, "room", { ack: false });

    t.like(report, { targeted: 1, unknown: 1, positions: [{ name: "room", offset: 1 }] });
    await eventually(() => received().length === 1, 3000);
    t.deepEqual(await msgsOf(service, "room"), [1]);
  });
}

test("any JSON comes back as it was pushed", async (t, stage) => {
  const service = await stage.service();
  const msgs: unknown[] = [
    null,
    false,
    0,
    -1.5e300,
    "",
    "\u0000\n\r\t\u2028 \\ \" ' {0} \ud800",
    "日本 😀",
    [],
    {},
    [[[]], { "": { "a.b": [null] } }],
    JSON.parse('{"__proto__": 1}'),
    "x".repeat(300_000),
  ];
  await Promise.all(msgs.map((msg) => service.pushMessage("connector", "a\tb", msg, "room")));
  t.deepEqual(await msgsOf(service, "room"), msgs);
});

test("awkward names have a history each", async (t, stage) => {
  const service = await stage.service();
  const names = ["room:{1}", "room %", "room\n", "room*", "room}:h", "room:😀", "room\t\"'", "room=1&2.3;4,5@6"];
  for (const name of names) await push(service, name, [name]);
  for (const name of names) t.deepEqual(await msgsOf(service, name), [name]);
});

test("history gives a part: after a position, so many of them, the oldest or the newest first", async (t, stage) => {
  const service = await stage.service();
  const reports = await push(service, "room", numbers(10));
  const position = positionOf(reports[9]!);
  const since = positionOf(reports[3]!);
  const read = async (options: object): Promise<unknown[]> => {
    const result = await service.history("room", options);
    t.deepEqual(result.position, position);
    t.is(result.gap, undefined);
    return result.messages.map(({ msg }) => msg);
  };

  t.deepEqual(await read({ limit: 3 }), [1, 2, 3]);
  t.deepEqual(await read({ limit: 3, reverse: true }), [10, 9, 8]);
  t.deepEqual(await read({ since }), [5, 6, 7, 8, 9, 10]);
  t.deepEqual(await read({ since, reverse: true }), [10, 9, 8, 7, 6, 5]);
  t.deepEqual(await read({ since, limit: 2 }), [5, 6]);
  t.deepEqual(await read({ since, limit: 2, reverse: true }), [10, 9]);
  t.deepEqual(await read({ since: position }), []);
  t.deepEqual(await read({ since: position, reverse: true }), []);
});

test("long histories are read whole, from either end", async (t, stage) => {
  const service = await stage.service();
  const history = { size: 2000, ttlMs: 60_000 };
  await Promise.all(numbers(1600).map((n) => service.pushMessage("connector", "chat", n, "room", { history })));

  const all = await service.history("room", { limit: 10_000 });
  const newest = await service.history("room", { limit: 1200, reverse: true });
  const [first] = all.messages;
  const recovered = await service.recover("room", { ...all.position!, offset: first!.offset });

  t.deepEqual(
    all.messages.map(({ msg }) => msg),
    numbers(1600),
  );
  t.deepEqual(
    newest.messages.map(({ msg }) => msg),
    numbers(1600).toReversed().slice(0, 1200),
  );
  t.deepEqual(
    recovered.messages.map(({ msg }) => msg),
    numbers(1600).slice(1),
  );
});

test("large messages are read whole, some of them at a time", async (t, stage) => {
  const service = await stage.service();
  const msgs = numbers(12).map((n) => `${n}${"x".repeat(400_000)}`);
  const [first] = await push(service, "room", msgs);

  t.deepEqual(await msgsOf(service, "room"), msgs);
  const newest = await service.history("room", { reverse: true });
  t.deepEqual(newest.messages.map(({ msg }) => msg).toReversed(), msgs);
  const recovered = await service.recover("room", positionOf(first!));
  t.deepEqual(
    recovered.messages.map(({ msg }) => msg),
    msgs.slice(1),
  );
});

test("recover gives all that came after a position, however a report has named it", async (t, stage) => {
  const service = await stage.service();
  const reports = await push(service, "room", [1, 2, 3]);
  const [position] = reports[0]!.positions!;

  const recovered = await service.recover("room", position!);

  t.deepEqual(
    recovered.messages.map(({ msg, offset }) => [msg, offset]),
    [
      [2, 2],
      [3, 3],
    ],
  );
  t.deepEqual(recovered.position, positionOf(reports[2]!));
  t.is(recovered.gap, undefined);
  t.deepEqual(await service.recover("room", recovered.position!), { messages: [], position: recovered.position });
  t.like(await service.history("room", { since: position! }), { messages: [{ msg: 2 }, { msg: 3 }] });
});

test("where messages had to make room, both say so", async (t, stage) => {
  const service = await stage.service();
  const reports = await push(service, "few", [1, 2, 3, 4, 5]);
  const position = positionOf(reports[4]!);

  t.deepEqual(await service.recover("few", positionOf(reports[0]!)), { messages: [], position, gap: "trimmed" });
  t.like(await service.recover("few", positionOf(reports[1]!)), { messages: [{ msg: 3 }, { msg: 4 }, { msg: 5 }] });
  for (const reverse of [false, true]) {
    const trimmed = await service.history("few", { since: positionOf(reports[0]!), reverse });
    t.is(trimmed.gap, "trimmed");
    t.deepEqual(
      trimmed.messages.map(({ msg }) => msg as number).toSorted((a, b) => a - b),
      [3, 4, 5],
    );
    t.is((await service.history("few", { since: positionOf(reports[1]!), reverse })).gap, undefined);
  }
});

test.alone("where messages were kept for long enough, both say so, and then the epoch ends", async (t, stage) => {
  const service = await stage.service();
  const reports = await push(service, "brief", [1, 2]);
  const [first, last] = reports.map(positionOf);

  await eventually(async () => (await msgsOf(service, "brief")).length === 0, 3000);
  t.deepEqual(await service.recover("brief", first!), { messages: [], position: last, gap: "expired" });
  t.is((await service.history("brief", { since: first! })).gap, "expired");
  t.deepEqual(await service.recover("brief", last!), { messages: [], position: last });

  await eventually(async () => (await service.history("brief")).position === undefined, 3000);
  t.deepEqual(await service.recover("brief", last!), { messages: [], position: undefined, gap: "epoch" });
  const [next] = await push(service, "brief", [3]);
  t.not(positionOf(next!).epoch, last!.epoch);
});

test("a position of another epoch, or beyond the end, is a gap", async (t, stage) => {
  const service = await stage.service();
  const [report] = await push(service, "room", [1]);
  const { epoch } = positionOf(report!);
  const end = { epoch, offset: 1 };

  for (const since of [LONG_AGO, { epoch, offset: 2 }, { epoch, offset: Number.MAX_SAFE_INTEGER }]) {
    t.deepEqual(await service.recover("room", since), { messages: [], position: end, gap: "epoch" });
    t.deepEqual(await service.history("room", { since }), { messages: [], position: end, gap: "epoch" });
  }
  t.deepEqual(await service.recover("none", LONG_AGO), { messages: [], position: undefined, gap: "epoch" });
});

test("destroyChannel ends the history, and what comes then is another epoch's", async (t, stage) => {
  const service = await stage.service();
  const other = await stage.service();
  const [before] = await push(service, "room", [1, 2]);
  await push(service, "room:2", ["stays"]);

  t.is(await other.destroyChannel("room"), 0);

  t.deepEqual(await service.history("room"), { messages: [], position: undefined });
  const [after] = await push(service, "room", [3]);
  t.not(positionOf(after!).epoch, positionOf(before!).epoch);
  t.like(await service.recover("room", positionOf(before!)), { messages: [], gap: "epoch" });
  t.deepEqual(await msgsOf(service, "room"), [3]);
  t.deepEqual(await msgsOf(service, "room:2"), ["stays"]);
});

test("services see the same history, and go on in it", async (t, stage) => {
  const [first, second] = [await stage.service(), await stage.service()];
  await push(first, "room", [1]);
  await push(second, "room", [2]);
  await push(first, "room", [3]);
  t.deepEqual(await msgsOf(second, "room"), [1, 2, 3]);
  t.deepEqual(await first.history("room"), await second.history("room"));
});

test("history and recover take callbacks", async (t, stage) => {
  const service = await stage.service();
  const [report] = await push(service, "room", [1, 2]);
  const calls: unknown[][] = [];
  const callback = (...args: unknown[]): void => void calls.push(args);

  const results = [
    await service.history("room", callback),
    await service.history("room", { limit: 1 }, callback),
    await service.recover("room", positionOf(report!), callback),
  ];
  await new Promise((resolve) => setImmediate(resolve));

  t.deepEqual(
    calls,
    results.map((result) => [null, result]),
  );
  t.deepEqual(
    results.map(({ messages }) => messages.map(({ msg }) => msg)),
    [[1, 2], [1], [2]],
  );
});

test("a push callback gets failIds as ever", async (t, stage) => {
  const service = await stage.service();
  await startMember(stage, service, ["room"]);
  await service.add("room", "gone", "s1");
  const result = await new Promise<unknown[]>((resolve) => {
    void service.pushMessage("connector", "chat", 1, "room", (...args) => resolve(args));
  });
  t.deepEqual(result, [null, ["gone"]]);
});

/** Without a history. */
async function startPlain(stage: Stage): Promise<GlobalChannelService> {
  const { history: _none, ...cluster } = stage.cluster();
  return stage.service({ cluster });
}

async function isUnsupported(t: ExecutionContext, call: Promise<unknown>): Promise<void> {
  await t.throwsAsync(call, { code: "GC_UNSUPPORTED" });
}

test("without a history what needs one is refused, and all else goes on", async (t, stage) => {
  const service = await startPlain(stage);
  const received = await startMember(stage, service, ["room"]);

  await isUnsupported(t, service.history("room"));
  await isUnsupported(t, service.recover("room", LONG_AGO));
  await isUnsupported(t, service.pushMessage("connector", "chat", 1, "room", { history: KEPT }));
  await isUnsupported(t, service.pushMessage("connector", "chat", 2, "room", { idempotencyKey: "key" }));
  await isUnsupported(t, service.pushToUsers("connector", "chat", 3, ["ann"], { idempotencyKey: "key" }));
  await isUnsupported(t, service.broadcast("connector", "chat", 4, { idempotencyKey: "key" }));
  const report = await service.pushMessage("connector", "chat", 5, "room", { history: false });

  t.is(report.positions, undefined);
  t.deepEqual(received(), [5]);
  t.is(await service.destroyChannel("room"), 1);
});

test("pushes that are to no channel take no history", async (t, stage) => {
  const service = await stage.service();
  const received = await startMember(stage, service, ["room"]);
  for (const history of [KEPT, false] as const) {
    for (const call of [
      service.pushToUsers("connector", "chat", 1, ["ann"], { history }),
      service.broadcast("connector", "chat", 2, { history }),
    ]) {
      await t.throwsAsync(call, { code: "GC_INVALID_OPTION", message: /history/ });
    }
  }
  await service.broadcast("connector", "chat", 3, { history: undefined! });
  t.deepEqual(received(), [3]);
});

for (const [more, msgs, gap] of [
  [2, [3], "trimmed"],
  [4, [], "expired"],
] as const) {
  test(`what is trimmed by ${more} messages between two parts of a list is a gap, and no hole in it`, async (t, stage) => {
    const cluster = stage.cluster();
    const history = cluster.history!;
    let reads = 0;
    const trimming = replacing(history, {
      async read(name, range) {
        if (++reads === 2) await push(service, "few", numbers(more));
        return history.read(name, range);
      },
    });
    const service = await stage.service({ cluster: { ...cluster, history: trimming } });
    // Each is a part of its own.
    const long = "x".repeat(600_000);
    const reports = await push(service, "few", [`0${long}`, `1${long}`, `2${long}`, `3${long}`]);

    const { messages, ...result } = await service.history("few", { since: positionOf(reports[0]!) });

    t.deepEqual(
      messages.map(({ msg }) => Number(String(msg)[0])),
      [...msgs],
    );
    t.is(result.gap, gap);
  });
}
