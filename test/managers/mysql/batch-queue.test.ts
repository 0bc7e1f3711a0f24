import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { Bound } from "../../../src/bound.js";
import { GlobalChannelError } from "../../../src/errors.js";
import { BatchQueue } from "../../../src/managers/mysql/batch-queue.js";

/** A queue of numbers, each as large as it says; batches take as long as they are told to. */
function queueOf(options: { maxBatch?: number; maxWaiting?: number; timeoutMs?: number; takesMs?: number } = {}) {
  const { maxBatch = 10, maxWaiting = 100, timeoutMs = 1000, takesMs = 10 } = options;
  const batches: number[][] = [];
  const queue = new BatchQueue<number, string>({
    sizeOf: (job) => job,
    maxBatch,
    bound: new Bound({ source: {}, queue: "changes", limit: maxWaiting, what: "jobs" }),
    timeoutMs,
    async run(jobs) {
      batches.push([...jobs]);
      await sleep(takesMs);
      if (jobs.includes(7)) throw new Error("seven");
      return jobs.map((job) => `did ${job}`);
    },
  });
  return { queue, batches };
}

test("what is called for in one tick, or while a batch is under way, goes into one batch, in order", async (t) => {
  const { queue, batches } = queueOf();

  const first = [1, 2, 3].map((job) => queue.push(job));
  await sleep(1);
  const second = [1, 4, 2].map((job) => queue.push(job));

  t.deepEqual(await Promise.all([...first, ...second]), ["did 1", "did 2", "did 3", "did 1", "did 4", "did 2"]);
  t.deepEqual(batches, [
    [1, 2, 3],
    [1, 4, 2],
  ]);
});

test("a batch is as large as allowed; a job that is larger is one of its own", async (t) => {
  const { queue, batches } = queueOf();

  await Promise.all([4, 5, 3, 20, 1].map((job) => queue.push(job)));

  t.deepEqual(batches, [[4, 5], [3], [20], [1]]);
});

test("a batch that fails fails its jobs, and the next one goes on", async (t) => {
  const { queue } = queueOf({ maxBatch: 8 });

  const results = await Promise.allSettled([1, 7, 2].map((job) => queue.push(job)));

  t.deepEqual(
    results.map(({ status }) => status),
    ["rejected", "rejected", "fulfilled"],
  );
});

test("a job that comes just when the queue has become idle is done", async (t) => {
  const { queue } = queueOf({ takesMs: 0 });
  for (let round = 0; round < 50; round++) t.is(await queue.push(1), "did 1");
});

test("what waits for too long, or is too much, is refused, and not done", async (t) => {
  const { queue, batches } = queueOf({ takesMs: 200, timeoutMs: 50, maxWaiting: 5 });
  const first = queue.push(1);
  await sleep(1);
  const late = queue.push(2);

  await t.throwsAsync(queue.push(4), { code: "GC_OVERLOADED" });
  await t.throwsAsync(late, { code: "GC_STORE_UNAVAILABLE" });
  await first;
  await queue.idle();

  t.deepEqual(batches, [[1]]);
  t.is(await queue.push(3), "did 3", "room is made by what is refused");
});

test("settled waits for what was called for before, not for what comes after", async (t) => {
  const { queue } = queueOf({ takesMs: 20 });
  let isDone = false;
  const failed = t.throwsAsync(queue.push(7));
  const first = queue.push(5).then(() => (isDone = true));

  await queue.settled(0);

  t.true(isDone);
  await Promise.all([failed, first]);
});

test("refuse fails what waits, and lets what is under way end", async (t) => {
  const { queue } = queueOf({ takesMs: 20 });
  const first = queue.push(1);
  await sleep(1);
  const waiting = t.throwsAsync(queue.push(2), { code: "GC_CLOSED" });

  queue.refuse(new GlobalChannelError("GC_CLOSED", "closed"));

  await waiting;
  t.is(await first, "did 1");
  await queue.idle();
});
