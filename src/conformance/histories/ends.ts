import assert from "node:assert/strict";
import type { ChannelHistory, HistoryPosition } from "../../types.js";
import { defineCase } from "../case.js";
import { assertSameData, numbered } from "../expect.js";
import { assertContiguous, assertEndsWith, bodiesOf, keepAll, keepIn, placeOf, readAll } from "./kept.js";

export const endCases = [
  defineCase<ChannelHistory>("remove › forgets the messages of a channel, and its epoch", async ({ open }) => {
    const [history, other] = [await open(), await open()];
    await keepAll(history, ["1", "2"]);

    await other.remove("room");

    assertSameData(await readAll(history), { position: undefined, entries: [] });
    assert.deepEqual(await history.positions(["room"]), [undefined]);
  }),

  defineCase<ChannelHistory>("remove › what comes then is of another epoch, again and again", async ({ open }) => {
    const [history, other] = [await open(), await open()];
    const epochs = new Set<string>();

    for (let round = 1; round <= 10; round++) {
      const positions = await keepAll(history, ["1", "2", "3"]);
      assertContiguous(positions);
      epochs.add(positions[0]!.epoch);
      assert.equal(epochs.size, round, "an epoch has come back");
      assert.deepEqual(await bodiesOf(other), ["1", "2", "3"]);
      const { former = [] } = await other.read("room", { after: 0, limit: 1, reverse: false });
      assert.deepEqual(former, [], "it goes on with what was removed");
      await (round % 2 === 0 ? history : other).remove("room");
    }
  }),

  defineCase<ChannelHistory>(
    "remove › where something is to be kept the next epoch is another one",
    async ({ open }) => {
      const history = await open();
      const epochs: string[] = [];

      for (let round = 0; round < 3; round++) {
        const [begun] = await history.positions(["kept:room"]);
        epochs.push(begun!.epoch);
        await history.remove("kept:room");
        const kept = await keepIn(history, "m", "kept:room");
        epochs.push(kept.epoch);
        await history.remove("kept:room");
      }

      assert.equal(new Set(epochs).size, 6, "an epoch has come back");
    },
  ),

  defineCase<ChannelHistory>(
    "remove › leaves other channels alone, and does nothing where nothing is kept",
    async ({ open }) => {
      const history = await open();
      const positions = await keepAll(history, ["1", "2"]);
      await keepIn(history, "m", "hall");

      await Promise.all(["hall", "yard", "roo", "room:", "room0"].map((name) => history.remove(name)));

      assert.deepEqual(await bodiesOf(history), ["1", "2"]);
      assert.deepEqual((await readAll(history)).position, placeOf(positions[1]!));
      assert.deepEqual(await bodiesOf(history, "hall"), []);
      assertSameData(await readAll(history, "yard"), { position: undefined, entries: [] });
    },
  ),

  defineCase<ChannelHistory>(
    "remove › while messages come in: no place is given twice, and the epoch of the end lacks none",
    async ({ open }) => {
      const [history, other, third] = [await open(), await open(), await open()];
      const given = new Map<string, string>();

      for (let round = 0; round < 20; round++) {
        const kept = await Promise.all(
          numbered(`${round}:`, 30).flatMap((body, index) => [
            (async () => ({ body, position: await keepIn(index % 2 === 0 ? history : other, body) }))(),
            ...(index % 5 === 2 ? [removed(third)] : []),
          ]),
        );
        const { position, entries } = await readAll(third);
        assertEndsWith(position, entries);
        const found = kept.filter((one) => one !== undefined);
        for (const { body, position: at } of found) {
          const place = placeIn(at);
          assert.ok(!given.has(place), `${place} was given to ${given.get(place)} and ${body}`);
          given.set(place, body);
        }
        const ofTheEnd = found.filter((one) => one.position.epoch === position?.epoch);
        assert.deepEqual(
          entries.filter(({ body }) => body.startsWith(`${round}:`)).map(({ offset, body }) => ({ offset, body })),
          ofTheEnd.map(({ body, position: { offset } }) => ({ offset, body })).toSorted((a, b) => a.offset - b.offset),
        );
      }
    },
  ),
];

async function removed(history: ChannelHistory): Promise<undefined> {
  await history.remove("room");
  return undefined;
}

function placeIn({ epoch, offset }: HistoryPosition): string {
  return JSON.stringify([epoch, offset]);
}
