import { setTimeout as sleep } from "node:timers/promises";

import test from "ava";

import { monotonicMs } from "../support/monotonic.js";
import { LoopDelay } from "./loop-delay.js";

function block(ms: number): { from: number; to: number } {
  const from = monotonicMs();
  while (monotonicMs() < from + ms);
  return { from, to: monotonicMs() };
}

test("a time in which the process was busy is measured, while it lasts and after it", async (t) => {
  const noticed: number[] = [];
  const loop = new LoopDelay((from, to) => noticed.push(to - from));
  t.teardown(() => loop.stop());
  await sleep(20);

  const { from, to } = block(100);
  const during = loop.between(from, monotonicMs());
  await sleep(20);

  t.true(during >= 100, `${during}`);
  t.true(loop.between(from, to) >= 99, `${loop.between(from, to)}`);
  t.true(loop.between(from + 40, from + 60) >= 19);
  t.true(noticed.some((ms) => ms >= 100));
});
