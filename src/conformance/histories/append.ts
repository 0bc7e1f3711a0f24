import assert from "node:assert/strict";
import type { ChannelHistory } from "../../types.js";
import { defineCase } from "../case.js";
import { assertSameData, numbered } from "../expect.js";
import { assertContiguous, bodiesOf, keep, keepAll, keepIn, message, placeOf, PLENTY, readAll } from "./kept.js";

export const appendCases = [
  defineCase<ChannelHistory>("append › the messages of an epoch follow each other without a hole", async ({ open }) => {
    const [history, other] = [await open(), await open()];
    const bodies = numbered("m", 50);

    const positions = await keepAll(history, bodies);

    assertContiguous(positions);
    const { position, entries } = await readAll(other);
    assert.deepEqual(position, placeOf(positions.at(-1)!));
    assert.deepEqual(
      entries.map(({ offset, body }) => ({ offset, body })),
      positions.map(({ offset }, index) => ({ offset, body: bodies[index] })),
    );
  }),

  defineCase<ChannelHistory>("append › each channel has offsets of its own", async ({ open }) => {
    const history = await open();
    const before = await keepAll(history, numbered("m", 3), "hall");
    const [first] = await keepAll(history, ["m"], "room");

    const { positions } = await keep(history, "both", ["hall", "room"]);

    const of = (name: string) => positions.filter((position) => position.name === name);
    assert.equal(positions.length, 2);
    assertContiguous([...before, ...of("hall")]);
    assertContiguous([first!, ...of("room")]);
    assert.deepEqual(await bodiesOf(history, "hall"), ["m0", "m1", "m2", "both"]);
    assert.deepEqual(await bodiesOf(history, "room"), ["m", "both"]);
  }),

  defineCase<ChannelHistory>(
    "append › to channels some of which have limits is kept for those only",
    async ({ open }) => {
      const history = await open();
      const names = numbered("room", 12);
      const kept = names.filter((_name, index) => index % 3 !== 1);
      await keepIn(history, "before", "room1");

      for (const body of ["1", "2"]) {
        const { positions, repeated } = await history.append({
          entry: message(body, names),
          limits: names.map((name) => (kept.includes(name) ? PLENTY : undefined)),
        });
        assert.deepEqual(
          positions.map(({ name }) => name),
          kept,
          "not theirs, or not in the order of the channels",
        );
        assert.equal(repeated, undefined);
        for (const position of positions) {
          assert.deepEqual(placeOf(position), (await readAll(history, position.name)).position, position.name);
        }
      }

      for (const name of names) {
        const expected = kept.includes(name) ? ["1", "2"] : name === "room1" ? ["before"] : [];
        assert.deepEqual(await bodiesOf(history, name), expected, name);
      }
      assert.equal((await readAll(history, "room4")).position, undefined);
    },
  ),

  defineCase<ChannelHistory>(
    "append › without limits for any channel keeps nothing, whatever limitsOf says",
    async ({ open }) => {
      const history = await open();
      const names = ["room", "kept:room"];

      const appended = await history.append({ entry: message("m", names), limits: [undefined, undefined] });
      const toNone = await history.append({ entry: message("m", []), limits: [] });

      assertSameData([appended, toNone], [{ positions: [] }, { positions: [] }]);
      for (const name of names) assertSameData(await readAll(history, name), { position: undefined, entries: [] });
    },
  ),

  defineCase<ChannelHistory>("append › the same message again is another one", async ({ open }) => {
    const history = await open();

    assertContiguous(await keepAll(history, ["m", "m", "m"]));

    assert.deepEqual(await bodiesOf(history), ["m", "m", "m"]);
  }),

  defineCase<ChannelHistory>("append › gives no promise where it says that it is done at once", async ({ open }) => {
    const history = await open();

    const appended = history.append({ entry: message("m"), limits: [PLENTY] });

    if (history.appendsAtOnce) assert.ok("positions" in appended, "it gives a promise");
    assert.deepEqual((await appended).positions.length, 1);
  }),

  defineCase<ChannelHistory>(
    "append › an instance that opens later reads what others have kept",
    async ({ open, stop }) => {
      const first = await open();
      const positions = await keepAll(first, ["1", "2"]);
      await stop(first);

      const second = await open();

      assert.deepEqual((await readAll(second)).position, placeOf(positions[1]!));
      assert.deepEqual(await bodiesOf(second), ["1", "2"]);
      assertContiguous([...positions, await keepIn(second, "3")]);
    },
  ),
];
