import test from "ava";
import { Bound } from "../src/bound.js";
import { diagnosticsOf } from "./support/diagnostics.js";

function boundOf(limit: number): Bound {
  return new Bound({ source: test, queue: "calls", limit, what: "calls" });
}

/** Something that is under way until `end`. */
function task(): { promise: Promise<string>; end: () => void; fail: (error: Error) => void } {
  let end!: () => void;
  let fail!: (error: Error) => void;
  const promise = new Promise<string>((resolve, reject) => {
    end = () => resolve("done");
    fail = reject;
  });
  return { promise, end, fail };
}

test("what is over the limit is refused and not done, and taken again when something has ended", async (t) => {
  const bound = boundOf(2);
  const [one, other] = [task(), task()];
  let done = 0;
  const running = [bound.run(() => one.promise), bound.run(() => other.promise)];

  t.throws(() => bound.run(() => done++), { code: "GC_OVERLOADED", message: "calls: the limit of 2 is reached" });
  one.end();
  t.is(await running[0], "done");

  t.is(
    bound.run(() => ++done),
    1,
  );
  other.end();
});

test("what fails, at once or later, leaves its room to others", async (t) => {
  const bound = boundOf(1);
  const fail = (): never => {
    throw new Error("at once");
  };

  for (const _ of [1, 2]) {
    t.throws(() => bound.run(fail), { message: "at once" });
    for (const size of [1, 3]) {
      await t.throwsAsync(async () => bound.run(() => Promise.reject(new Error("later")), size), { message: "later" });
    }
  }

  t.is(
    bound.run(() => 1),
    1,
  );
});

test("one that is larger than the limit is let in alone, and nothing beside it", async (t) => {
  const bound = boundOf(10);
  const large = task();
  const running = bound.run(() => large.promise, 1000);

  t.throws(() => bound.check(), { code: "GC_OVERLOADED" });
  large.end();
  await running;
  bound.add();

  t.throws(() => bound.check(11), { code: "GC_OVERLOADED" });
  t.notThrows(() => bound.check(9));
});

test.serial("that it is full is told once, and again when it is full after half of it was free", (t) => {
  const told = diagnosticsOf(t, "globalchannel:lag");
  const bound = boundOf(4);
  const refuse = (): unknown => t.throws(() => bound.check(), { code: "GC_OVERLOADED" });

  bound.add(4);
  for (const _ of [1, 2, 3]) refuse();
  bound.remove(1);
  bound.add(1);
  refuse();
  t.deepEqual(told, [{ source: test, queue: "calls", limit: 4 }]);

  bound.remove(2);
  bound.add(2);
  refuse();
  t.is(told.length, 2);
});
