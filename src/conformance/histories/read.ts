import assert from "node:assert/strict";
import type { ChannelHistory, ChannelPosition, HistoryRange } from "../../types.js";
import { defineCase } from "../case.js";
import { assertSameData, numbered } from "../expect.js";
import { keepAll, keepIn, message, placeOf, PLENTY, readAll } from "./kept.js";

/** Every combination of edges of a range, of ten messages after the offset `base`. */
function rangesAfter(base: number): HistoryRange[] {
  const edges = [0, 1, 5, 9, 10, 11, 1_000].map((edge) => base + edge);
  return [0, ...edges].flatMap((after) =>
    [undefined, ...edges].flatMap((until) =>
      [1, 2, 10, 100].flatMap((limit) => [false, true].map((reverse) => ({ after, until, limit, reverse }))),
    ),
  );
}

/** Reads every range, of the messages that are kept, the last of those at the positions. */
async function checkRanges(
  history: ChannelHistory,
  positions: readonly ChannelPosition[],
  kept: readonly string[],
): Promise<void> {
  const end = placeOf(positions.at(-1)!);
  const all = kept.map((body, index) => ({ offset: end.offset - kept.length + 1 + index, body }));
  await Promise.all(
    rangesAfter(positions[0]!.offset - 1).map(async (range) => {
      const { after, until = Infinity, limit, reverse } = range;
      const inRange = all.filter(({ offset }) => offset > after && offset <= until);

      const { position, entries } = await history.read("room", range);

      assert.deepEqual(
        { range, position, entries: entries.map(({ offset, body }) => ({ offset, body })) },
        { range, position: end, entries: (reverse ? inRange.toReversed() : inRange).slice(0, limit) },
      );
    }),
  );
}

export const readCases = [
  defineCase<ChannelHistory>("read › resolves the messages of the range, in its order", async ({ open }) => {
    const history = await open();
    const positions = await keepAll(history, numbered("m", 10));

    await checkRanges(history, positions, numbered("m", 10));
  }),

  defineCase<ChannelHistory>("read › of what had to make room resolves nothing", async ({ open }) => {
    const history = await open();
    const positions = await keepAll(history, numbered("m", 10), "room", { ...PLENTY, size: 4 });

    await checkRanges(history, positions, numbered("m", 10).slice(-4));
  }),

  defineCase<ChannelHistory>(
    "read › of a channel without an epoch resolves nothing, and begins none",
    async ({ open }) => {
      const history = await open();

      for (const name of ["room", "kept:room"]) {
        for (const reverse of [false, true]) {
          const { position, entries, former = [] } = await history.read(name, { after: 0, limit: 10, reverse });
          assertSameData([position, entries, former], [undefined, [], []]);
        }
      }
      await history.append({ entry: message("m", ["hall"]), limits: [PLENTY] });
      assertSameData(await readAll(history), { position: undefined, entries: [] });
      assert.deepEqual(await history.positions(["room"]), [undefined]);
    },
  ),

  defineCase<ChannelHistory>("read › pages of 2,500 messages are all of them, from either end", async ({ open }) => {
    const history = await open();
    const bodies = numbered("m", 2_500);
    const positions = await Promise.all(bodies.map((body) => keepIn(history, body)));
    const [first, last] = [positions[0]!.offset, positions.at(-1)!.offset];

    const forward: string[] = [];
    for (let after = 0; after < last; after = first + forward.length - 1) {
      const { entries } = await history.read("room", { after, limit: 700, reverse: false });
      forward.push(...entries.map(({ body }) => body));
      assert.equal(entries.at(-1)?.offset, first + forward.length - 1);
    }
    const backward: string[] = [];
    for (let until = last; until >= first; until = last - backward.length) {
      const { entries } = await history.read("room", { after: 0, until, limit: 700, reverse: true });
      backward.push(...entries.map(({ body }) => body));
      assert.equal(entries.at(-1)?.offset, last - backward.length + 1);
    }

    assert.deepEqual(forward, bodies);
    assert.deepEqual(backward, bodies.toReversed());
  }),

  defineCase<ChannelHistory>("read › while messages come in: what it resolves ends where it says", async ({ open }) => {
    const [reader, writer] = [await open(), await open()];
    const { offset: first } = await keepIn(writer, "m0");
    const last = 200;
    const written = Promise.all(numbered("", last).map((_, index) => keepIn(writer, `m${index + 1}`)));
    // Where the case fails nobody waits for it any more.
    written.catch(() => {});

    let found: number;
    do {
      const { position, entries } = await reader.read("room", { after: 0, limit: 1_000, reverse: false });
      assert.deepEqual(
        entries.map(({ offset, body }) => ({ offset, body })),
        numbered("m", position!.offset - first + 1).map((body, index) => ({ offset: first + index, body })),
      );
      found = position!.offset - first;
    } while (found < last);
    await written;
  }),
];
