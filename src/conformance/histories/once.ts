import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { ChannelHistory } from "../../types.js";
import { defineCase } from "../case.js";
import { numbered } from "../expect.js";
import { AWKWARD_NAMES } from "../samples.js";
import { assertContiguous, bodiesOf, keep, keepIn, message, PLENTY, readAll } from "./kept.js";

/** For how long a push with a key is done once. */
const KEY_MS = 5 * 60_000;
/** Between two looks at it nothing is asserted that a slow machine could miss. */
const MARGIN_MS = 20_000;

const KEY = { idempotencyKey: "k" };

export const onceCases = [
  defineCase<ChannelHistory>(
    "append › with a key that was there does nothing, and gives the first's positions",
    async ({ open }) => {
      const [history, other] = [await open(), await open()];
      for (const names of [["room"], numbered("room", 8)]) {
        const first = await keep(history, "first", names, KEY);
        assert.equal(first.repeated, undefined);
        await keepIn(history, "between", names[0]);

        for (const caller of [other, history]) {
          const again = await keep(caller, "again", names, KEY);
          assert.equal(again.repeated, "");
          assert.deepEqual(again.positions, first.positions);
        }

        assert.deepEqual(await bodiesOf(other, names[0]), ["first", "between"]);
        for (const name of names.slice(1)) assert.deepEqual(await bodiesOf(other, name), ["first"], name);
      }
    },
  ),

  defineCase<ChannelHistory>(
    "append › of many with one key at once, one is kept, and all have its positions",
    async ({ open }) => {
      const histories = [await open(), await open(), await open()];
      for (const names of [["room"], numbered("room", 8)]) {
        const bodies = numbered("m", 30);

        const all = await Promise.all(bodies.map((body, index) => keep(histories[index % 3]!, body, names, KEY)));

        assert.deepEqual(
          all.map(({ repeated }) => repeated).filter((repeated) => repeated !== ""),
          [undefined],
        );
        const first = all.find(({ repeated }) => repeated === undefined)!;
        for (const { positions } of all) assert.deepEqual(positions, first.positions);
        for (const name of names) {
          assert.equal((await bodiesOf(histories[0]!, name)).length, 1, name);
        }
      }
    },
  ),

  defineCase<ChannelHistory>(
    "append › of several with one key at once, all of the channels keep it with the id of the same one",
    async ({ open }) => {
      const histories = [await open(), await open(), await open()];
      const reader = histories[0]!;
      const names = numbered("room", 8);
      const limits = names.map(() => PLENTY);

      for (const key of numbered("k", 100)) {
        const ids = numbered(`${key}-`, 3);
        await Promise.all(
          ids.map(async (id, index) => {
            await sleep(Math.random() * 3);
            return histories[index]!.append({ entry: { ...message(key, names), id }, limits, idempotencyKey: key });
          }),
        );
      }

      const all = await Promise.all(
        names.map(async (name) => {
          const { entries } = await readAll(reader, name);
          return entries.map(({ body, id }) => `${body} ${id}`).toSorted();
        }),
      );
      assert.equal(all[0]!.length, 100);
      for (const [index, kept] of all.entries()) assert.deepEqual(kept, all[0], names[index]);
    },
  ),

  defineCase<ChannelHistory>(
    "append › with a key that was there gives the first's positions, whatever is to be kept now",
    async ({ open }) => {
      const history = await open();
      const entry = message("m", numbered("room", 6));
      const limitsFor = (...kept: number[]) => entry.names.map((_name, n) => (kept.includes(n) ? PLENTY : undefined));
      const first = await history.append({ entry, limits: limitsFor(0, 2, 3, 5), idempotencyKey: "k" });

      for (const limits of [limitsFor(5), limitsFor(1, 4), limitsFor(0, 1, 2, 3, 4, 5), limitsFor()]) {
        const again = await history.append({ entry, limits, idempotencyKey: "k" });
        assert.deepEqual(again.positions, first.positions);
        assert.equal(again.repeated, "");
      }
      assert.deepEqual(await bodiesOf(history, "room1"), []);
    },
  ),

  defineCase<ChannelHistory>("append › that keeps nothing is done once, too", async ({ open }) => {
    const [history, other] = [await open(), await open()];
    const append = { entry: message("m"), limits: [undefined], idempotencyKey: "k" };

    assert.deepEqual((await history.append(append)).repeated, undefined);
    const again = await other.append(append);

    assert.deepEqual([again.positions, again.repeated], [[], ""]);
  }),

  defineCase<ChannelHistory>("settle › says what has become of it to those who come later", async ({ open }) => {
    const [history, other] = [await open(), await open()];
    const { positions } = await keep(history, "m", ["room"], KEY);
    const outcomes = [
      '{"delivered":3}',
      "1",
      "two\nlines\n",
      "\n",
      "!\n,-.",
      ...AWKWARD_NAMES.slice(0, 80),
      "x".repeat(200_000),
    ];

    for (const outcome of outcomes) {
      await history.settle(["room"], "k", outcome);
      const again = await keep(other, "again", ["room"], KEY);
      assert.deepEqual(again, { positions, repeated: outcome });
    }

    assert.deepEqual(await bodiesOf(history), ["m"]);
  }),

  defineCase<ChannelHistory>("settle › with undefined: the next one with this key is done", async ({ open }) => {
    const [history, other] = [await open(), await open()];
    for (const names of [["room"], numbered("room", 8)]) {
      const firsts = [];
      for (const body of ["1", "2", "3"]) {
        const kept = await keep(history, body, names, KEY);
        assert.equal(kept.repeated, undefined);
        firsts.push(kept.positions.find(({ name }) => name === names[0])!);
        assert.equal((await keep(other, "again", names, KEY)).repeated, "");
        // Also of one whose outcome was known.
        if (body === "2") await other.settle(names, "k", "known");
        await other.settle(names, "k", undefined);
      }

      assertContiguous(firsts);
      for (const name of names) assert.deepEqual(await bodiesOf(history, name), ["1", "2", "3"], name);
    }
  }),

  defineCase<ChannelHistory>("settle › of a key that nobody has used does nothing", async ({ open }) => {
    const history = await open();

    await history.settle(["room"], "k", "known");
    await history.settle(["room"], "k", undefined);
    await history.settle([], "k", "known");

    assert.equal((await keep(history, "m", ["room"], KEY)).repeated, undefined);
    assert.equal((await keep(history, "m", [], KEY)).repeated, undefined);
    assert.deepEqual(await bodiesOf(history), ["m"]);
  }),

  defineCase<ChannelHistory>(
    "append › with a key is done once in 5 minutes, and again after those",
    async ({ open, advance, canSkip }) => {
      const [history, other] = [await open(), await open()];
      const first = await keep(history, "1", ["room"], KEY);
      if (!canSkip) return;

      await advance(KEY_MS - MARGIN_MS);
      assert.deepEqual(await keep(other, "again", ["room"], KEY), { ...first, repeated: "" });
      // Neither that nor this makes it any longer.
      await history.settle(["room"], "k", "known");
      assert.deepEqual(await keep(other, "again", ["room"], KEY), { ...first, repeated: "known" });
      await advance(MARGIN_MS);
      const second = await keep(other, "2", ["room"], KEY);
      assert.equal(second.repeated, undefined);
      await advance(KEY_MS - MARGIN_MS);
      assert.deepEqual(await keep(history, "again", ["room"], KEY), { ...second, repeated: "" });

      assertContiguous([...first.positions, ...second.positions]);
      assert.deepEqual(await bodiesOf(history), ["1", "2"]);
    },
  ),
];
