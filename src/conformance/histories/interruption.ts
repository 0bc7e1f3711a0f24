import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Appended, ChannelHistory } from "../../types.js";
import { type Stage, defineCase } from "../case.js";
import { eventually, numbered } from "../expect.js";
import { assertContiguous, bodiesOf, keep, keepIn, placeOf, readAll } from "./kept.js";

/** When the connections break, in milliseconds after the calls: at once, in the middle, and perhaps when all is over. */
const CUT_AFTER_MS = [0, 2, 10];
/** How long a call that has lost its connection may take until it settles. */
const SETTLE_MS = 10_000;
const NAMES = ["room", "hall", "yard"];

/** Cuts off appends that are under way; what is kept of them is whole. @param cut breaks connections of the writer, or all of it */
async function followCutAppends(
  { open }: Stage<ChannelHistory>,
  cut: (writer: ChannelHistory) => Promise<void>,
): Promise<void> {
  const reader = await open();
  for (const [round, afterMs] of CUT_AFTER_MS.entries()) {
    const writer = await open();
    const bodies = numbered(`${round}:`, 200);
    const calls = Promise.allSettled(bodies.map((body) => keep(writer, body, NAMES)));
    await sleep(afterMs);
    await cut(writer);
    const results = await Promise.race([calls, sleep(SETTLE_MS, undefined, { ref: false })]);
    assert.ok(results, `appends have not settled after ${SETTLE_MS} ms`);

    for (const name of NAMES) {
      await eventually(() => checkKept(reader, name, bodies, results));
    }
  }
  await eventually(async () => void (await keepIn(reader, "last")));
  assert.equal((await bodiesOf(reader)).at(-1), "last");
}

/** Each of these is kept once, in order, where it was said to be; one that has failed once at most. */
async function checkKept(
  reader: ChannelHistory,
  name: string,
  bodies: readonly string[],
  results: readonly PromiseSettledResult<Appended>[],
): Promise<void> {
  const { position, entries } = await readAll(reader, name);
  const own = entries.filter(({ body }) => bodies.includes(body));
  assert.deepEqual(
    own.map(({ body }) => body),
    bodies.filter((body) => own.some((entry) => entry.body === body)),
    "doubled, or in another order",
  );
  if (entries.length > 0) {
    assertContiguous(entries.map(({ offset }) => ({ epoch: position!.epoch, offset })));
    assert.equal(entries.at(-1)!.offset, position!.offset);
  }
  for (const [index, result] of results.entries()) {
    if (result.status === "rejected") continue;
    const at = result.value.positions.find((one) => one.name === name);
    const entry = own.find(({ body }) => body === bodies[index]);
    assert.deepEqual(at && placeOf(at), { epoch: position!.epoch, offset: entry?.offset }, bodies[index]);
  }
}

/** Reads all, perhaps not at once: the reader's connections break, too. */
async function readInTheEnd(reader: ChannelHistory, name: string): ReturnType<typeof readAll> {
  let read: Awaited<ReturnType<typeof readAll>> | undefined;
  await eventually(async () => void (read = await readAll(reader, name)));
  return read!;
}

export const historyInterruptionCases = [
  defineCase<ChannelHistory>(
    "interruption › appends that lose their connection settle, and each is kept once or not at all, in order",
    (stage) => followCutAppends(stage, () => stage.interrupt()),
  ),

  defineCase<ChannelHistory>(
    "stop › appends of an instance stopped by force settle, and each is kept once or not at all, in order",
    async (stage) => {
      // Where the instance is the store, it is still needed.
      const isStore = (await stage.open()) === (await stage.open());
      await followCutAppends(stage, async (writer) => (isStore ? undefined : stage.stop(writer, true)));
    },
  ),

  defineCase<ChannelHistory>(
    "interruption › an append with a key that is tried until it succeeds is kept once, in every channel",
    async ({ open, interrupt }) => {
      const [history, reader] = [await open(), await open()];
      const insist = async (body: string, names: readonly string[]): Promise<Appended> => {
        let appended: Appended | undefined;
        await eventually(async () => {
          appended = await keep(history, body, names, { idempotencyKey: body });
        });
        return appended!;
      };

      for (const [round, afterMs] of CUT_AFTER_MS.entries()) {
        const bodies = numbered(`${round}:`, 60);
        const calls = Promise.all(bodies.map((body) => insist(body, NAMES)));
        // Where it fails before, nobody waits for it yet.
        calls.catch(() => {});
        await sleep(afterMs);
        await interrupt();
        const all = await calls;

        for (const name of NAMES) {
          const { position, entries } = await readInTheEnd(reader, name);
          for (const [index, { positions }] of all.entries()) {
            const kept = entries.filter(({ body }) => body === bodies[index]);
            assert.equal(kept.length, 1, `${bodies[index]} is kept ${kept.length} times in ${name}`);
            const at = positions.find((one) => one.name === name);
            assert.deepEqual(at && placeOf(at), { epoch: position!.epoch, offset: kept[0]!.offset });
          }
        }
      }
    },
  ),
];
