import test from "ava";
import { RecentMap } from "../../src/frontend/recent-map.js";
import { skipTime } from "../support/skip-time.js";

test.serial("what was set is there for as long as it is to be kept, and gone after twice that", (t) => {
  const map = new RecentMap<string, number>(1000, 100);
  map.set("a", 1);
  skipTime(t, 1001);
  map.set("b", 2);
  t.is(map.get("a"), 1);

  skipTime(t, 1001);
  map.set("c", 3);

  t.is(map.get("a"), undefined);
  t.is(map.get("b"), 2);
});

test("what was set last counts, and what was deleted is gone, however long it has been there", (t) => {
  const map = new RecentMap<string, number>(60_000, 4);
  t.true(map.isEmpty);
  for (const [key, value] of [...["a", "b", "c"].entries()].map(([n, letter]) => [letter, n] as const))
    map.set(key, value);

  map.set("a", 10);
  map.delete("b");

  t.deepEqual(
    ["a", "b", "c"].map((key) => map.get(key)),
    [10, undefined, 2],
  );
  t.false(map.isEmpty);
});

test("the last half of what may be kept is, of however much", (t) => {
  const map = new RecentMap<number, number>(60_000, 100);

  for (let n = 0; n < 1000; n++) map.set(n, n);

  const kept = Array.from({ length: 1000 }, (_value, n) => n).filter((n) => map.get(n) !== undefined);
  t.deepEqual(
    kept.slice(-50),
    Array.from({ length: 50 }, (_value, n) => 950 + n),
  );
  t.true(kept.length <= 100, `${kept.length}`);
});
