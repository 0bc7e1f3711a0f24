import assert from "node:assert/strict";
import type { ChannelHistory } from "../../types.js";
import { defineCase } from "../case.js";
import { assertSameItems } from "../expect.js";
import { AWKWARD_NAMES, COLLIDING_PAIRS } from "../samples.js";
import { bodiesOf, keep } from "./kept.js";

/** Lists of channels none of which is another one, nor looks like it. */
const SCOPES: readonly (readonly string[])[] = [
  ...[[], ["a"], ["b"], ["c"], ["a", "b"], ["a", "c"], ["b", "c"], ["a", "b", "c"]],
  ...[["a,b"], ["a", "b,c"], ["a,b", "c"], ['a","b'], ["a:b"], ["a\nb"], ["a b"], ["[]"]],
];

/** Of these pushes, each with a key of its own, every one is done once, and settled apart from the others. */
async function checkApart(
  histories: readonly [ChannelHistory, ChannelHistory],
  pushes: readonly (readonly [names: readonly string[], idempotencyKey: string])[],
): Promise<void> {
  const [history, other] = histories;
  const all = [...pushes.entries()].map(([index, [names, idempotencyKey]]) => ({
    body: String(index),
    names,
    key: { idempotencyKey },
    says: JSON.stringify([names, idempotencyKey]),
  }));

  const firsts = await Promise.all(
    all.map(async ({ body, names, key, says }) => {
      const { positions, repeated } = await keep(history, body, names, key);
      assert.equal(repeated, undefined, says);
      assertSameItems(
        positions.map(({ name }) => name),
        names,
        says,
      );
      return positions;
    }),
  );
  await Promise.all(
    all.map(async ({ body, names, key }) => history.settle(names, key.idempotencyKey, `outcome ${body}`)),
  );

  await Promise.all(
    all.map(async ({ body, names, key, says }, index) => {
      const { positions, repeated } = await keep(other, "again", names, key);
      assert.equal(repeated, `outcome ${body}`, says);
      assertSameItems(positions, firsts[index]!, says);
    }),
  );
  for (const name of new Set(all.flatMap(({ names }) => names))) {
    const expected = all.filter(({ names }) => names.includes(name)).map(({ body }) => body);
    assertSameItems(await bodiesOf(other, name), expected, name);
  }
}

export const keyCases = [
  defineCase<ChannelHistory>(
    "append › the same key to other channels, or to none, is another one",
    async ({ open }) => {
      await checkApart(
        [await open(), await open()],
        SCOPES.map((names) => [names, "k"]),
      );
    },
  ),

  defineCase<ChannelHistory>("append › no two pairs of channel and key are one", async ({ open }) => {
    await checkApart(
      [await open(), await open()],
      COLLIDING_PAIRS.map(([name, key]) => [[name], key]),
    );
  }),

  defineCase<ChannelHistory>("append › keys of every kind are told apart", async ({ open }) => {
    await checkApart(
      [await open(), await open()],
      AWKWARD_NAMES.flatMap((key) => [
        [["room"], key],
        [[], key],
      ]),
    );
  }),

  defineCase<ChannelHistory>("settle › with undefined frees the key of these channels only", async ({ open }) => {
    const [history, other] = [await open(), await open()];
    const key = { idempotencyKey: "k" };
    for (const names of SCOPES) await keep(history, "m", names, key);

    await other.settle(["a", "b"], "k", undefined);
    await other.settle([], "k", undefined);

    for (const names of SCOPES) {
      const { repeated } = await keep(history, "m", names, key);
      const isFreed = names.length === 0 || (names.length === 2 && names[0] === "a" && names[1] === "b");
      assert.equal(repeated, isFreed ? undefined : "", JSON.stringify(names));
    }
  }),
];
