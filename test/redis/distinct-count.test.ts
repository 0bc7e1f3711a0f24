import test from "ava";
import { DistinctCount } from "../../src/redis/distinct-count.js";

test("names are counted once each, exactly up to 100,000 and within 0.1 % beyond", (t) => {
  const names = new DistinctCount();
  t.is(names.value, 0);
  for (let index = 0; index < 100_000; index++) names.add(`name-${index}`);
  for (let index = 0; index < 1000; index++) names.add(`name-${index}`);
  t.is(names.value, 100_000);

  for (let index = 0; index < 300_000; index++) names.add(`name-${index}`);

  t.true(Math.abs(names.value - 300_000) < 300, String(names.value));
});
