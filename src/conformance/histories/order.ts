import assert from "node:assert/strict";
import type { ChannelHistory, ChannelPosition } from "../../types.js";
import { defineCase } from "../case.js";
import { assertSameItems, numbered } from "../expect.js";
import { assertContiguous, assertEndsWith, bodiesOf, keep, keepIn, readAll } from "./kept.js";

export const historyOrderCases = [
  defineCase<ChannelHistory>(
    "append › of several callers at once: every offset once, no hole, and each caller's in the order of its calls",
    async ({ open }) => {
      const histories = [await open(), await open(), await open(), await open()];
      const sent = histories.map((_history, index) => numbered(`${index}:`, 100));

      const kept = await Promise.all(
        histories.flatMap((history, index) =>
          sent[index]!.map(async (body) => ({ body, position: await keepIn(history, body) })),
        ),
      );

      const inOrder = kept.toSorted((a, b) => a.position.offset - b.position.offset);
      assertContiguous(inOrder.map(({ position }) => position));
      const { position, entries } = await readAll(histories[0]!);
      assertEndsWith(position, entries);
      assert.deepEqual(
        entries.map(({ offset, body }) => ({ offset, body })),
        inOrder.map(({ body, position: { offset } }) => ({ offset, body })),
      );
      for (const [index, bodies] of sent.entries()) {
        assert.deepEqual(
          entries.map(({ body }) => body).filter((body) => body.startsWith(`${index}:`)),
          bodies,
        );
      }
    },
  ),

  defineCase<ChannelHistory>(
    "append › of one caller keeps its order in every channel, however many channels each goes to",
    async ({ open }) => {
      const history = await open();
      const names = numbered("room", 8);
      const sent = numbered("m", 200).map((body, index) => ({
        body,
        // Every third one is to one channel; the others to some of them, in changing orders.
        names:
          index % 3 === 0
            ? [names[index % names.length]!]
            : names.filter((_name, n) => (index >> (n % 4)) % 2 === n % 2).toSorted(() => (index % 3) - 1),
      }));

      await Promise.all(sent.map(({ body, names: to }) => keep(history, body, to)));

      for (const name of names) {
        assert.deepEqual(
          await bodiesOf(history, name),
          sent.filter(({ names: to }) => to.includes(name)).map(({ body }) => body),
          name,
        );
      }
    },
  ),

  defineCase<ChannelHistory>(
    "append › of several callers to the same channels at once: no hole in any of them, and nothing is lost",
    async ({ open }) => {
      const histories = [await open(), await open(), await open()];
      const names = numbered("room", 5);
      const bodies = numbered("m", 150);

      const kept = await Promise.all(
        bodies.map(async (body, index) => (await keep(histories[index % 3]!, body, names)).positions),
      );

      for (const name of names) {
        const positions = kept.map((all) => all.find((position) => position.name === name)!);
        assertContiguous(positions.toSorted(byOffset));
        const { position, entries } = await readAll(histories[0]!, name);
        assertEndsWith(position, entries);
        assertSameItems(
          entries.map(({ body }) => body),
          bodies,
          name,
        );
        for (const [index, { offset }] of positions.entries()) {
          assert.equal(entries.find((entry) => entry.offset === offset)?.body, bodies[index]);
        }
      }
    },
  ),
];

function byOffset(a: ChannelPosition, b: ChannelPosition): number {
  return a.offset - b.offset;
}
