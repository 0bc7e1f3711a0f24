import { setImmediate as turn } from "node:timers/promises";
import test from "ava";
import { HadElsewhere } from "../../src/connectors/had-elsewhere.js";
import type { HistoryPosition } from "../../src/types.js";
import { skipTime } from "../support/skip-time.js";
import { Pushes, TestSession } from "./session-history-support.js";
import { Deferred, until } from "./websocket-support.js";

/** What a client that was in these channels is to say when it comes back. */
function positionsIn(pushes: Pushes, names: readonly string[]): [string, HistoryPosition][] {
  return names.map((name) => [name, pushes.end(name)]);
}

/** Reads of this channel take until they are let go. */
function delay(pushes: Pushes, channel: string): { letGo(): void } {
  const recover = pushes.recover.bind(pushes);
  const gate = new Deferred<void>();
  pushes.recover = async (uid, name, since) => {
    if (name === channel) await gate.promise;
    return recover(uid, name, since);
  };
  return { letGo: () => gate.resolve() };
}

test("a message of several channels does not come again to a client that was away before it had met it in all of them", async (t) => {
  const pushes = new Pushes();
  const before = positionsIn(pushes, ["room", "hall"]);
  pushes.push("hall");
  pushes.push("room", "hall");
  const slow = delay(pushes, "hall");
  const first = new TestSession(pushes, before);
  first.history.joined("room");
  first.history.joined("hall");
  await until(() => first.told.length > 0);
  const told = [...first.history.positions()].map(({ name, ...position }) => [name, position] as const);
  first.history.close();
  slow.letGo();

  const second = new TestSession(pushes, told);
  second.history.joined("room");
  second.history.joined("hall");
  await until(() => second.told.length > 1);

  t.deepEqual(first.told, ["2 room.1 hall.0+id-2"]);
  t.deepEqual(second.told, ["1 hall.1+id-2", "at hall.2"]);
});

test("so it is where it came live, and the client had not joined the other channel again", async (t) => {
  const pushes = new Pushes();
  const session = new TestSession(pushes, positionsIn(pushes, ["room", "hall"]));
  session.history.joined("room");
  await turn();
  const { positions, ...both } = pushes.push("room", "hall");

  session.deliver({ ...both, positions: positions!.slice(0, 1) });
  session.history.joined("hall");
  await until(() => session.told.length > 1);

  t.deepEqual(session.told, ["1 room.1 hall.0+id-1", "at hall.1"]);
});

test.serial("what comes live meanwhile tells it, too, until the message is met or must have been kept", async (t) => {
  const pushes = new Pushes();
  const given = positionsIn(pushes, ["room", "hall"]);
  const session = new TestSession(
    pushes,
    given.map(([name, position]) => [name, name === "hall" ? { ...position, had: ["id-2", "gone"] } : position]),
  );
  const slow = delay(pushes, "hall");
  session.history.joined("hall");
  session.deliver(pushes.push("hall"));
  const both = pushes.push("room", "hall");
  slow.letGo();
  await until(() => session.told.length > 1);
  session.deliver(both);
  session.deliver(pushes.push("hall"));
  t.deepEqual(session.told, ["1 hall.1+id-2+gone", "at hall.2+gone", "3 hall.3+gone"]);

  skipTime(t, 10_000);
  session.history.lookForMissed();
  await turn();
  session.deliver(pushes.push("hall"));

  t.is(session.told.at(-1), "4 hall.4");
});

test.serial("what has been read in vain by then may be kept later in one channel than in another one", async (t) => {
  const pushes = new Pushes();
  const session = new TestSession(pushes, [["hall", { ...pushes.end("hall"), had: ["id-1"] }]]);

  session.history.joined("hall");
  await turn();

  t.deepEqual(
    Array.from(session.history.positions(), ({ had }) => had),
    [["id-1"]],
  );
});

test("256 are kept in mind", (t) => {
  const had = new HadElsewhere();

  for (let n = 0; n < 200; n++) had.add(`id-${n}`, ["room", "hall"]);
  had.met("room", "id-199");
  had.met("room", "id-199");

  t.is(had.of("room").length + had.of("hall").length, 255);
  t.deepEqual(had.of("hall").slice(-1), ["id-199"]);
  t.false(had.has("hall", "id-71"));
});

test("so it is in a channel that the client joins afterwards, and begins in before that message", async (t) => {
  const pushes = new Pushes();
  const session = new TestSession(pushes, positionsIn(pushes, ["room"]));
  const first = pushes.push("hall");
  pushes.push("room", "hall");
  session.history.joined("room");
  await until(() => session.told.length > 0);

  session.history.joined("hall");
  session.deliver(first);
  const told = session.told.at(-1);

  t.is(told, "1 hall.1+id-2");
  await until(() => session.told.length > 2);
  t.deepEqual(session.told, ["2 room.1", "1 hall.1+id-2", "at hall.2"]);
});
