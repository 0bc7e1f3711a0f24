// Histories written by hand: good ones, in which nothing is found, and bad ones, in which exactly what is wrong is.
import test from "ava";

import type { Edge, History, Invariant, Life, Outcome, Report, Seen } from "../history.js";
import { check, checkCounted } from "./index.js";
import { connection, destroy, END, goodHistory, join, LAST, leave, push, START } from "./sample.js";

const good = (title: string, changed: () => Partial<History>): void => {
  test(`good: ${title}`, (t) => t.deepEqual(check(goodHistory(changed())), []));
};

const bad = (invariant: Invariant, message: RegExp, title: string, changed: () => Partial<History>): void => {
  test(`bad: ${title}`, (t) => {
    const violations = check(goodHistory(changed()));

    t.true(violations.length > 0, "nothing is found");
    for (const violation of violations) {
      t.is(violation.invariant, invariant, violation.message);
      t.regex(violation.message, message);
    }
  });
};

/** The good one with another end: what is read and where the last push goes. */
function final(members: readonly string[], changed: Partial<History["final"]> = {}): History["final"] {
  const { final: sample } = goodHistory();
  const reading = { ...sample.after[0]!, members };
  return { ...sample, before: [reading], after: [reading], ...changed };
}

const report = goodHistory().pushes[0]!.outcome!.report!;

/** A report on two members at `s1`, with other counts. */
function outcomeOf(counts: Partial<Report>, failIds: readonly string[] = []): Outcome {
  const changed = { ...report, ...counts, failIds };
  const { targeted, delivered, failed, unknown } = changed;
  const frontends = [{ sid: "s1", targeted, delivered, failed, unknown }];
  return { report: { ...changed, unlisted: failed + unknown - failIds.length, frontends }, lateMs: 0, blockedMs: 0 };
}

const nothing: Report = { ...report, targeted: 0, delivered: 0, frontends: [] };

/** A push of which the report says that one of two got it, and the other was not there. */
const toAnn = (id: number, start: number) =>
  push(id, start, { outcome: outcomeOf({ delivered: 1, failed: 1 }, ["bob"]) });
const told = (at: number, changed: Partial<Seen>): Seen => ({ ...goodHistory().seen[0]!, at, ...changed });

const edge = (type: Edge["type"], afterMs: number): Edge => ({
  backend: "backend-1#1",
  at: START + afterMs,
  type,
  name: "room",
});

test("the sample has something to check", (t) => {
  t.is(checkCounted(goodHistory()).checked.receptions, 2);
});

good("a push that nobody was there for, and one whose backend died", () => ({
  pushes: [
    push(1, START + 100),
    push(3, START + 200, { audience: { names: ["hall"] }, outcome: { ...outcomeOf({}), report: nothing } }),
    push(4, START - 5000, { backend: "backend-0#1", outcome: undefined, callbacks: undefined, end: Infinity }),
  ],
}));

bad("1 reports", /does not add up/, "a report counts somebody twice", () => ({
  pushes: [push(1, START + 100, { outcome: outcomeOf({ unknown: 1 }) })],
}));

bad("1 reports", /does not add up/, "a report lists fewer than it should", () => ({
  pushes: [push(1, START + 100, { outcome: { ...outcomeOf({}), report: { ...report, unlisted: 1 } } })],
}));

bad("1 reports", /called back 2 times/, "a callback is called twice", () => ({
  pushes: [push(1, START + 100, { callbacks: 2 })],
}));

bad("1 reports", /called back 0 times/, "a callback is not called", () => ({
  pushes: [push(1, START + 100, { callbacks: 0 })],
}));

bad("1 reports", /push 1 never settles|leave never settles/, "a push and a leave never settle", () => ({
  pushes: [push(1, START + 100, { outcome: undefined, callbacks: undefined, end: Infinity })],
  changes: [join("ann", START), join("bob", START), leave("cid", START, { status: "maybe", end: Infinity })],
}));

bad("1 reports", /settled 60 ms after/, "a push settles too late", () => ({
  pushes: [push(1, START + 100, { outcome: { report, lateMs: 100, blockedMs: 40 } })],
}));

good("a push settles late because its process was stopped", () => ({
  pushes: [push(1, START + 100, { outcome: { report, lateMs: 3000, blockedMs: 2960 } })],
}));

bad("1 reports", /failed with GC_STORE_ERROR/, "a call fails in a way that nothing here explains", () => ({
  changes: [join("ann", START), join("bob", START), leave("cid", START, { status: "maybe", code: "GC_STORE_ERROR" })],
}));

bad("2 deliveries", /came twice to connection 1/, "a connection gets a push twice", () => ({
  connections: [connection(1, "ann", [1, 1, LAST]), connection(2, "bob", [1, LAST])],
}));

bad("2 deliveries", /came to cid at s1, who was no member/, "somebody gets a push who was never added", () => ({
  connections: [connection(1, "ann", [1, LAST]), connection(2, "bob", [1, LAST]), connection(3, "cid", [1])],
  pushes: [push(1, START + 100, { outcome: outcomeOf({ targeted: 3, delivered: 3 }) })],
  final: final(["ann@s1", "bob@s1"], { sids: new Map([["cid", ["s1"]]]) }),
}));

bad("2 deliveries", /came to bob at s1, who was no member/, "somebody gets a push who had left", () => ({
  changes: [join("ann", START), join("bob", START), leave("bob", START + 50), join("bob", START + 300)],
}));

good("somebody gets a push who was leaving when it was called, or whose leave has failed", () => ({
  changes: [
    join("ann", START),
    leave("ann", START + 50, { status: "maybe" }),
    join("bob", START),
    leave("bob", START + 95),
    join("bob", START + 300),
  ],
}));

bad("2 deliveries", /came to bob, who was left out/, "somebody gets a push who was left out", () => ({
  pushes: [push(1, START + 100, { except: ["bob"] })],
}));

bad("2 deliveries", /never came to bob|said to reach more/, "a member misses a push", () => ({
  connections: [connection(1, "ann", [1, LAST]), connection(2, "bob", [LAST])],
}));

good("a member misses a push where the frontend was cut off", () => ({
  connections: [connection(1, "ann", [LAST]), connection(2, "bob", [LAST])],
  pushes: [push(1, START + 100, { outcome: outcomeOf({ delivered: 0, unknown: 2 }) })],
  faults: [{ kind: "hold", target: "s1#1", from: START + 20, to: START + 90 }],
}));

bad(
  "2 deliveries",
  /reached more at s1 than it was said to/,
  "somebody gets a push that is said to have failed",
  () => ({
    pushes: [toAnn(1, START + 100)],
  }),
);

good("a client has gone while its frontend was stopped, which then writes to its connection", () => ({
  connections: [
    connection(1, "ann", [1, LAST]),
    connection(2, "bob", [], {
      closingAt: START - 2000,
      closedAt: START - 2000,
      openAt: START - 3000,
      triedAt: START - 3000,
    }),
    connection(3, "bob", [LAST], { openAt: START + 3000, triedAt: START + 2000 }),
  ],
  changes: [join("ann", START), join("bob", START - 2500), join("bob", START + 4000)],
  faults: [{ kind: "stop-frontend", target: "s1#1", from: START - 2200, to: START + 105 }],
}));

bad("3 order", /got push 1 after push 3/, "two pushes change places", () => ({
  pushes: [push(1, START + 100), push(3, START + 101)],
  connections: [connection(1, "ann", [3, 1, LAST]), connection(2, "bob", [1, 3, LAST])],
  final: final(["ann@s1", "bob@s1"], { pushes: [push(LAST, END + 10, { backend: "backend-2#1" })] }),
}));

good("pushes of two backends change places", () => ({
  pushes: [push(1, START + 100), push(3, START + 101, { backend: "backend-2#1" })],
  connections: [connection(1, "ann", [3, 1, LAST]), connection(2, "bob", [1, 3, LAST])],
  final: final(["ann@s1", "bob@s1"], { pushes: [push(LAST, END + 10, { backend: "backend-3#1" })] }),
}));

bad(
  "4 membership",
  /does not read bob@s1 .* who must be there|reached bob@s1, who is no member/,
  "a member is lost",
  () => ({
    final: final(["ann@s1"]),
  }),
);

bad("4 membership", /reads bob@s1 .* who must not be there/, "a ghost of somebody who has gone is read", () => ({
  connections: [
    connection(1, "ann", [1, LAST]),
    connection(2, "bob", [1], { closingAt: START + 5000, closedAt: START + 5000 }),
  ],
  final: final(["ann@s1", "bob@s1"], {
    after: final(["ann@s1"]).after,
    pushes: [toAnn(LAST, END + 10)],
    sids: new Map(),
  }),
}));

bad("4 membership", /reads bob@s1 .* who must not be there/, "somebody who has left is back", () => ({
  changes: [join("ann", START), join("bob", START), leave("bob", START + 500)],
  connections: [connection(1, "ann", [1, LAST]), connection(2, "bob", [1])],
  final: final(["ann@s1", "bob@s1"], { after: final(["ann@s1"]).after, pushes: [toAnn(LAST, END + 10)] }),
}));

bad("4 membership", /reads (ann|bob)@s1 .* who must not be there/, "a channel that was destroyed is back", () => ({
  destructions: [destroy(START + 500)],
  connections: [connection(1, "ann", [1]), connection(2, "bob", [1])],
  final: final(["ann@s1", "bob@s1"], {
    after: final([]).after,
    pushes: [push(LAST, END + 10, { outcome: outcomeOf({ delivered: 0, failed: 2 }, ["ann", "bob"]) })],
  }),
}));

for (const [title, destruction] of [
  ["before it had joined", destroy(START - 500)],
  ["and it is another channel that was destroyed", destroy(START + 500, { name: "hall" })],
] as const) {
  bad("4 membership", /does not read bob@s1|reached bob@s1, who is no member/, `a member is lost, ${title}`, () => ({
    destructions: [destruction],
    final: final(["ann@s1"]),
  }));
}

bad(
  "2 deliveries",
  /came to (ann|bob) at s1, who was no member/,
  "a push reaches a channel that was destroyed",
  () => ({
    destructions: [destroy(START + 50)],
    changes: [join("ann", START), join("bob", START), join("ann", START + 300), join("bob", START + 300)],
  }),
);

good("a channel is destroyed, and may have been once more", () => ({
  destructions: [destroy(START + 500), destroy(START + 600, { status: "maybe", code: "GC_TIMEOUT" })],
  changes: [join("ann", START), join("bob", START), join("ann", START + 550)],
  connections: [connection(1, "ann", [1, LAST]), connection(2, "bob", [1])],
  final: final(["ann@s1"], { pushes: [push(LAST, END + 10, { outcome: outcomeOf({ targeted: 1, delivered: 1 }) })] }),
}));

good("an add is lost with Redis before its frontend can have known of it", () => ({
  changes: [join("ann", START), join("bob", START + 200)],
  faults: [{ kind: "flush", target: "redis", from: START + 250, to: START + 252 }],
  pushes: [],
  connections: [connection(1, "ann", [LAST]), connection(2, "bob", [])],
  final: final(["ann@s1"], { pushes: [push(LAST, END + 10, { outcome: outcomeOf({ targeted: 1, delivered: 1 }) })] }),
}));

bad(
  "4 membership",
  /does not read bob@s1|reached bob@s1/,
  "an add is lost with Redis that its frontend had been told of",
  () => ({
    faults: [{ kind: "flush", target: "redis", from: START + 2000, to: START + 2002 }],
    final: final(["ann@s1"]),
  }),
);

bad("4 membership", /Redis still has/, "something of a dead frontend is left", () => ({
  final: final(["ann@s1", "bob@s1"], { leftovers: ["gc:on:s0"] }),
}));

bad("4 membership", /its frontend is dead|targeted s1, which is dead/, "a dead frontend is read and pushed to", () => {
  const lives = goodHistory().lives.map((life): Life =>
    life.role === "frontend" ? { ...life, end: "killed", endAt: START + 200, goneAt: START + 200 } : life,
  );
  const gone = { closingAt: START + 200, closedAt: START + 200 };
  return {
    lives: [...lives, { ...lives[1]!, id: "s2#1", sid: "s2", end: undefined, endAt: undefined, goneAt: undefined }],
    connections: [connection(1, "ann", [1], gone), connection(2, "bob", [1], gone)],
    readings: [{ backend: "backend-1#1", name: "room", start: START + 9000, end: START + 9001, members: ["ann@s1"] }],
    pushes: [push(1, START + 100), push(3, START + 9000, { outcome: outcomeOf({ delivered: 0, unknown: 2 }) })],
    seen: ["ann", "bob"].flatMap((uid) => [
      told(START + 5, { uid }),
      told(START + 4000, { uid, type: "leave", reason: "server-down" }),
    ]),
    final: final([], { sids: new Map(), pushes: [] }),
  };
});

good("the last renewal of a frontend that was killed is done when Redis goes on", () => {
  const [backend, frontend] = goodHistory().lives as [Life, Life];
  const dead: Life = { ...frontend, id: "s0#1", sid: "s0", end: "killed", endAt: START + 500, goneAt: START + 500 };
  const reading = { backend: "backend-1#1", name: "hall", start: START + 4900, end: START + 4901, members: ["cid@s0"] };
  return {
    lives: [backend, frontend, dead],
    readings: [reading],
    faults: [{ kind: "stop-redis", target: "redis", from: START + 400, to: START + 3000 }],
  };
});

bad("4 membership", /said to be at none/, "it is not known where a user is", () => ({
  final: final(["ann@s1", "bob@s1"], { sids: new Map([["ann", []]]) }),
}));

bad("4 membership", /did not reach bob@s1/, "a mirror is not what is stored", () => ({
  connections: [connection(1, "ann", [1, LAST]), connection(2, "bob", [1])],
  final: final(["ann@s1", "bob@s1"], {
    pushes: [push(LAST, END + 10, { outcome: outcomeOf({ targeted: 1, delivered: 1 }) })],
  }),
  // Else it is also a push that a member has missed.
  faults: [{ kind: "delay", target: "backend-1#1", from: END + 1, to: END + 20 }],
}));

bad(
  "2 deliveries",
  /came to (ann|bob) from s1#1, when s1#2 had its place/,
  "a frontend delivers that was replaced",
  () => {
    const [backend, frontend] = goodHistory().lives as [Life, Life];
    const gone = { closingAt: START + 300, closedAt: START + 300 };
    return {
      lives: [
        backend,
        { ...frontend, end: "replaced", endAt: START + 20, goneAt: START + 300 },
        { ...frontend, id: "s1#2", startAt: START + 20, joinedAt: START + 90 },
      ],
      connections: [connection(1, "ann", [1], gone), connection(2, "bob", [1], gone)],
      final: final([], { sids: new Map(), pushes: [] }),
    };
  },
);

bad("5 events", /told join of ann@s1 in room twice/, "a join is told twice", () => ({
  seen: [told(START + 5, {}), told(START + 6, {})],
}));

bad("5 events", /told channel-created of room twice/, "the beginning of a channel is told twice", () => ({
  edges: [edge("channel-created", 5), edge("channel-created", 60_000)],
}));

bad(
  "5 events",
  /was told channel-emptied of room last, which has 2 members/,
  "a channel has ended and has members",
  () => ({
    edges: [edge("channel-created", 5), edge("channel-emptied", 60_000)],
  }),
);

good("the beginning of a channel is told twice, and Redis has lost it in between", () => ({
  edges: [edge("channel-created", 5), edge("channel-created", 60_000)],
  faults: [{ kind: "flush", target: "redis", from: START + 59_000, to: START + 59_001 }],
}));

good("a join is told twice to somebody who was cut off in between", () => ({
  seen: [told(START + 5, {}), told(START + 60_000, {})],
  faults: [{ kind: "cut", target: "backend-1#1", from: START + 30_000, to: START + 30_001 }],
}));

for (const [count, title] of [
  [0, "nobody is told that a member left because its frontend was killed"],
  [2, "it is told twice that a member left because its frontend was killed"],
] as const) {
  bad("5 events", /told [02] times|told leave .* twice/, title, () => {
    const [backend, frontend] = goodHistory().lives as [Life, Life];
    const gone = { closingAt: START + 200, closedAt: START + 200 };
    const down = told(START + 4000, { type: "leave", reason: "server-down" });
    return {
      lives: [backend, { ...frontend, end: "killed", endAt: START + 200, goneAt: START + 200 }],
      faults: [{ kind: "kill-frontend", target: "s1#1", from: START + 200, to: START + 300 }],
      changes: [join("ann", START)],
      pushes: [],
      connections: [connection(1, "ann", [], gone)],
      seen: [told(START + 5, {}), ...Array<Seen>(count).fill(down)],
      final: final([], { sids: new Map(), pushes: [] }),
    };
  });
}

bad("6 processes", /ended by itself/, "a process crashes", () => ({
  lives: [
    ...goodHistory().lives,
    { id: "backend-2#1", role: "backend", startAt: 0, endAt: END, end: "by itself", output: "no", clockMs: 0 },
  ],
}));

bad("6 processes", /200 MB/, "a backend keeps too much", () => ({
  lives: goodHistory().lives.map((life) => (life.role === "backend" ? { ...life, heapBytes: 200e6 } : life)),
}));
