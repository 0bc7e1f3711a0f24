import { setImmediate as turn } from "node:timers/promises";
import test from "ava";
import type { HistoryPosition } from "../../src/types.js";
import { Pushes, TestSession } from "./session-history-support.js";
import { Deferred, until } from "./websocket-support.js";

/** What is read is answered once `read` is resolved; `begun` says that something was. */
function holdAnswers(pushes: Pushes): { begun: Deferred<void>; read: Deferred<void> } {
  const [begun, read] = [new Deferred<void>(), new Deferred<void>()];
  const recover = pushes.recover.bind(pushes);
  pushes.recover = async (...args) => {
    const recovered = await recover(...args);
    begun.resolve();
    await read.promise;
    return recovered;
  };
  return { begun, read };
}

test("what has not come, and nothing comes after, is read where it is known that something may not have come", async (t) => {
  const pushes = new Pushes();
  const session = new TestSession(pushes, [["room", pushes.end("room")]]);
  session.history.joined("room");
  await turn();
  pushes.push("room");

  session.history.lookForMissed();
  await until(() => session.told.length > 0);

  t.deepEqual(session.told, ["1 room.1"]);
});

test("so is what was lost while something else was read", async (t) => {
  const pushes = new Pushes();
  const { begun, read } = holdAnswers(pushes);
  const session = new TestSession(pushes, [["room", pushes.end("room")]]);
  session.history.joined("room");
  await begun.promise;

  pushes.push("room");
  session.history.lookForMissed();
  read.resolve();
  await until(() => session.told.length > 0);

  t.deepEqual(session.told, ["1 room.1"]);
});

test("so is what was lost while it was asked where the history ends", async (t) => {
  const pushes = new Pushes();
  const end = new Deferred<HistoryPosition>();
  pushes.settledPosition = () => end.promise;
  const session = new TestSession(pushes);
  session.history.joined("room");

  const before = pushes.end("room");
  pushes.push("room");
  session.history.lookForMissed();
  end.resolve(before);
  await until(() => session.told.length > 1);

  t.deepEqual(session.told, ["at room.0", "1 room.1"]);
});

test("what comes late to a client that was told where it begins does not take it back there", async (t) => {
  const pushes = new Pushes();
  const [first, second, third] = [pushes.push("room"), pushes.push("room"), pushes.push("room")];
  const session = new TestSession(pushes);
  session.history.joined("room");
  await until(() => session.told.length > 0);

  for (const message of [first, third, pushes.push("room"), second]) session.deliver(message);

  t.deepEqual(session.told, ["at room.3", "1 late", "3 late", "4 room.4"]);
});

test("a gap is not told from before where the client is, whatever comes late meanwhile", async (t) => {
  const pushes = new Pushes();
  const late = pushes.push("room");
  pushes.push("room");
  const session = new TestSession(pushes, [["room", pushes.end("room")]]);
  for (let n = 0; n < 10; n++) pushes.push("room");

  session.history.joined("room");
  session.deliver(late);
  await until(() => session.told.length > 0);

  t.deepEqual(session.told, ["gap room.12"]);
});

test("what comes of a new epoch while the end of the one before is on its way is not dropped", async (t) => {
  const pushes = new Pushes();
  const { begun, read } = holdAnswers(pushes);
  const session = new TestSession(pushes, [["room", pushes.end("room")]]);
  for (let n = 0; n < 10; n++) pushes.push("room");
  session.history.joined("room");
  await begun.promise;

  pushes.history.remove("room");
  session.deliver(pushes.push("room"));
  read.resolve();
  await until(() => session.told.length > 2);

  t.deepEqual(session.told, ["gap room.10", "gap room.0", "11 room.1"]);
});

test("what is missing before a message that came out of another channel's history is read when that message comes", async (t) => {
  const pushes = new Pushes();
  const session = new TestSession(pushes, [
    ["room", pushes.end("room")],
    ["hall", pushes.end("hall")],
  ]);
  session.history.joined("room");
  session.history.joined("hall");
  await turn();
  pushes.push("hall");
  const both = pushes.push("room", "hall");

  session.deliver(pushes.push("room"));
  await until(() => session.told.length > 1);
  session.deliver(both);
  await until(() => session.told.length > 3);

  t.deepEqual(session.told, ["2 room.1 hall.0+id-2", "3 room.2", "1 hall.1+id-2", "at hall.2"]);
});

test("a client goes on where it was also where a message comes before it is known that it is a member", async (t) => {
  const pushes = new Pushes();
  const session = new TestSession(pushes, [["room", pushes.end("room")]]);
  pushes.push("room");

  session.deliver(pushes.push("room"));
  session.history.joined("room");
  await until(() => session.told.length > 1);

  t.deepEqual(session.told, ["1 room.1", "2 room.2"]);
});

test("behind a gap what is kept is read, too, where a message after that is there already", async (t) => {
  const pushes = new Pushes();
  const session = new TestSession(pushes, [["room", pushes.end("room")]]);
  const messages = Array.from({ length: 8 }, () => pushes.push("room"));

  session.history.joined("room");
  session.deliver(messages[5]!);
  await until(() => session.told.length > 1);
  await turn();

  t.deepEqual(session.told, ["gap room.5", "6 room.6", "7 room.7", "8 room.8"]);
});

test("a client is told where it is in a channel whose first message it has out of another one", async (t) => {
  const pushes = new Pushes();
  const end = new Deferred<HistoryPosition>();
  pushes.settledPosition = () => end.promise;
  const session = new TestSession(pushes, [["room", pushes.end("room")]]);
  const both = pushes.push("room", "hall");
  session.history.joined("room");
  await until(() => session.told.length > 0);

  session.history.joined("hall");
  session.deliver(both);
  end.resolve(pushes.end("hall"));
  await turn();

  t.deepEqual(session.told, ["1 room.1", "at hall.1"]);
});

test("a client that could not say where it was in all its channels is told of a gap also where a message comes at once", async (t) => {
  const pushes = new Pushes();
  const session = new TestSession(pushes, [], { isIncomplete: true });
  pushes.push("room");

  session.history.joined("room");
  session.deliver(pushes.push("room"));
  await until(() => session.told.length > 1);

  t.deepEqual(session.told, ["2 room.2", "gap room.2"]);
});

test("what is late in all of its channels, as the session has begun after it, is written, once", async (t) => {
  const pushes = new Pushes();
  const late = pushes.push("room", "hall");
  const session = new TestSession(pushes);
  session.history.joined("room");
  session.history.joined("hall");
  await until(() => session.told.length === 2);

  session.deliver(late);
  session.deliver(late);
  session.deliver(pushes.push("room", "hall"));

  t.deepEqual(session.told, ["at room.1", "at hall.1", "1 late", "2 room.2 hall.2"]);
});
