import test from "ava";
import { MemoryChannelHistory } from "../../src/histories/memory.js";
import { setAhead, withOwnClock } from "../support/own-clock.js";

const MIB = 1024 * 1024;

function keep(history: MemoryChannelHistory, name: string, body: string, ttlMs = 60_000) {
  const entry = { stype: "connector", route: "chat", body, except: [], names: [name] };
  return history.append({ entry, limits: [{ size: 100, ttlMs }] }).positions[0]!;
}

test("an epoch ends when nothing was kept for twice the time", (t) => {
  withOwnClock(() => {
    const history = new MemoryChannelHistory();
    const first = keep(history, "room", "1", 10_000);

    setAhead(19_000);
    t.deepEqual(history.positions(["room"]), [{ epoch: first.epoch, offset: 1 }]);
    setAhead(1_001);

    t.deepEqual(history.positions(["room"]), [undefined]);
    t.not(keep(history, "room", "2").epoch, first.epoch);
  });
});

test("what gets too much is given up, the channel first that got nothing for longest, and its epoch ends", (t) => {
  const history = new MemoryChannelHistory();
  const body = "x".repeat(MIB);
  const epochs = Array.from({ length: 140 }, (_, index) => keep(history, `room${index}`, body).epoch);

  const positions = history.positions(epochs.map((_epoch, index) => `room${index}`));

  const isKept = positions.map((position) => position !== undefined);
  t.true(isKept.filter(Boolean).length >= 120 && isKept.filter(Boolean).length <= 128);
  t.is(isKept.lastIndexOf(false), isKept.indexOf(true) - 1, "those that are given up are the first");
  t.not(keep(history, "room0", "1").epoch, epochs[0]);
});

test("messages that make room do not count", (t) => {
  const history = new MemoryChannelHistory();
  const body = "x".repeat(MIB);
  const [first] = [keep(history, "other", "1")];
  const entry = { stype: "connector", route: "chat", body, except: [], names: ["room"] };

  const epochs = new Set<string>();
  for (let count = 0; count < 300; count++) {
    epochs.add(history.append({ entry, limits: [{ size: 3, ttlMs: 60_000 }] }).positions[0]!.epoch);
  }

  t.is(epochs.size, 1);
  t.deepEqual(history.positions(["other"]), [{ epoch: first.epoch, offset: 1 }]);
});

test("what is read is not what later messages change", (t) => {
  const history = new MemoryChannelHistory();
  keep(history, "room", "1");
  const page = history.read("room", { after: 0, limit: 10, reverse: false });

  keep(history, "room", "2");

  t.deepEqual(
    page.entries.map(({ body }) => body),
    ["1"],
  );
  t.is(page.position?.offset, 1);
});
