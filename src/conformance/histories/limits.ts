import assert from "node:assert/strict";
import type { ChannelHistory, HistoryLimits } from "../../types.js";
import { type Stage, defineCase } from "../case.js";
import { numbered } from "../expect.js";
import {
  assertContiguous,
  assertEndsWith,
  bodiesOf,
  keepAll,
  keepIn,
  KEPT_CHANNELS,
  placeOf,
  PLENTY,
  readAll,
} from "./kept.js";

/** A time that a case lets pass: so long that what has to be done within it is done also on a slow machine. */
function brief({ canSkip }: Pick<Stage<ChannelHistory>, "canSkip">): HistoryLimits {
  return { size: 100, ttlMs: canSkip ? 120_000 : 2_000 };
}

const sized = (size: number) => ({ ...PLENTY, size });

export const limitCases = [
  defineCase<ChannelHistory>(
    "limitsOf › says how much is kept of a channel where a push does not",
    async ({ open }) => {
      const history = await open();

      assert.deepEqual(
        ["kept:room", "kept:", "kept", "room", "Kept:room"].map((name) => history.limitsOf(name)),
        [KEPT_CHANNELS["kept:*"], KEPT_CHANNELS["kept:*"], undefined, undefined, undefined],
      );
    },
  ),

  defineCase<ChannelHistory>("append › as many of the last messages are kept as its size says", async ({ open }) => {
    const history = await open();

    for (const size of [1, 2, 7, 150]) {
      const name = `room of ${size}`;
      const bodies = numbered("m", 2 * size + 3);
      const positions = await Promise.all(bodies.map((body) => keepIn(history, body, name, sized(size))));
      assertContiguous(positions);
      assert.deepEqual(await bodiesOf(history, name), bodies.slice(-size), name);
      const { position, entries } = await readAll(history, name);
      assert.deepEqual(position, placeOf(positions.at(-1)!));
      assertEndsWith(position, entries);
    }
  }),

  defineCase<ChannelHistory>("append › until there are so many all of them are kept", async ({ open }) => {
    const history = await open();

    for (const [index, body] of numbered("m", 6).entries()) {
      await keepIn(history, body, "room", sized(4));
      assert.deepEqual(await bodiesOf(history), numbered("m", index + 1).slice(-4));
    }
  }),

  defineCase<ChannelHistory>(
    "append › a smaller size makes older messages go, a larger one has room for further ones",
    async ({ open }) => {
      const history = await open();
      const positions = await keepAll(history, numbered("m", 6), "room", sized(6));

      positions.push(await keepIn(history, "a", "room", sized(2)));
      assert.deepEqual(await bodiesOf(history), ["m5", "a"]);
      positions.push(await keepIn(history, "b", "room", sized(4)), await keepIn(history, "c", "room", sized(4)));
      assert.deepEqual(await bodiesOf(history), ["m5", "a", "b", "c"]);
      positions.push(await keepIn(history, "d", "room", sized(4)));
      assert.deepEqual(await bodiesOf(history), ["a", "b", "c", "d"]);
      positions.push(await keepIn(history, "e", "room", sized(1)));
      assert.deepEqual(await bodiesOf(history), ["e"]);
      assertContiguous(positions);
    },
  ),

  defineCase<ChannelHistory>(
    "append › messages are kept for ttlMs, and the epoch for longer",
    async ({ open, advance, canSkip }) => {
      const limits = brief({ canSkip });
      const [history, other] = [await open(), await open()];
      const positions = await keepAll(history, ["1", "2"], "room", limits);
      assert.deepEqual(await bodiesOf(history), ["1", "2"]);

      await advance(limits.ttlMs);

      assert.deepEqual(await readAll(history), { position: placeOf(positions[1]!), entries: [] });
      assert.deepEqual(await other.positions(["room"]), [placeOf(positions[1]!)]);
      positions.push(await keepIn(other, "3", "room", limits));
      assertContiguous(positions);
      assert.deepEqual(await bodiesOf(history), ["3"]);
    },
  ),

  defineCase<ChannelHistory>("append › the time begins anew with each message", async ({ open, advance, canSkip }) => {
    const limits = brief({ canSkip });
    const history = await open();
    const expected: string[] = [];

    for (const body of numbered("m", 4)) {
      await keepIn(history, body, "room", limits);
      expected.push(body);
      await advance(0.6 * limits.ttlMs);
      assert.deepEqual(await bodiesOf(history), expected);
    }
  }),

  defineCase<ChannelHistory>(
    "append › the time that the last message says is that of all",
    async ({ open, advance, canSkip }) => {
      const limits = brief({ canSkip });
      const history = await open();
      const longer = { size: 100, ttlMs: 10 * limits.ttlMs };
      await keepAll(history, ["1"], "shorter", longer);
      await keepAll(history, ["2"], "shorter", limits);
      await keepAll(history, ["1"], "longer", limits);
      await keepAll(history, ["2"], "longer", longer);

      await advance(limits.ttlMs);

      assert.deepEqual(await bodiesOf(history, "shorter"), []);
      assert.deepEqual(await bodiesOf(history, "longer"), ["1", "2"]);
    },
  ),

  defineCase<ChannelHistory>(
    "append › however long nothing was kept, no offset of an epoch is that of another message",
    async ({ open, advance, canSkip }) => {
      const limits = brief({ canSkip });
      const history = await open();
      const before = await keepAll(history, ["1", "2", "3"], "room", limits);
      // An epoch may go on for as long as it likes.
      await advance(3 * limits.ttlMs);

      const after = await keepIn(history, "4", "room", limits);

      const last = before.at(-1)!;
      if (after.epoch === last.epoch) assertContiguous([...before, after]);
      const { position, entries } = await readAll(history);
      assert.deepEqual([position, entries.map(({ body }) => body)], [placeOf(after), ["4"]]);
    },
  ),
];
