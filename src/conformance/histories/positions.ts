import assert from "node:assert/strict";
import type { ChannelHistory } from "../../types.js";
import { defineCase } from "../case.js";
import { assertSameData, numbered } from "../expect.js";
import { AWKWARD_NAMES } from "../samples.js";
import { assertContiguous, keepAll, keepIn, placeOf, PLENTY, readAll } from "./kept.js";

export const positionCases = [
  defineCase<ChannelHistory>(
    "positions › begins an epoch only where limitsOf says that something is kept",
    async ({ open }) => {
      const [history, other] = [await open(), await open()];
      const names = ["kept:a", "room", "kept:b"];

      const [a, room, b] = await history.positions(names);

      assert.ok(a && b && room === undefined, JSON.stringify([a, room, b]));
      assert.notEqual(a.epoch, b.epoch);
      for (const { epoch } of [a, b]) {
        assert.ok(/^[\w-]{1,64}$/.test(epoch) && epoch !== "none", `no epoch is called ${JSON.stringify(epoch)}`);
      }
      assert.deepEqual(await other.positions(names), [a, undefined, b]);
      assertSameData(await readAll(history, "kept:a"), { position: a, entries: [] });
      assertSameData(await readAll(history, "room"), { position: undefined, entries: [] });
    },
  ),

  defineCase<ChannelHistory>(
    "positions › with limits begins an epoch whatever limitsOf says, and leaves those alone that there are",
    async ({ open }) => {
      const [history, other] = [await open(), await open()];
      const kept = placeOf(await keepIn(history, "m", "hall"));

      const [room, keptRoom, hall] = await history.positions(["room", "kept:room", "hall"], PLENTY);

      assert.ok(room && keptRoom, "an epoch was not begun");
      assert.deepEqual(hall, kept);
      assert.deepEqual(await other.positions(["room", "kept:room", "hall"]), [room, keptRoom, kept]);
      assertContiguous([room, await keepIn(other, "m", "room")]);
    },
  ),

  defineCase<ChannelHistory>("positions › an epoch that it begins goes on with the first message", async ({ open }) => {
    const [history, other] = [await open(), await open()];
    const [begun] = await history.positions(["kept:room"]);

    const positions = await keepAll(other, ["1", "2"], "kept:room");

    assertContiguous([begun!, ...positions]);
  }),

  defineCase<ChannelHistory>(
    "positions › says where each history ends, in the order of the names",
    async ({ open }) => {
      const [history, other] = [await open(), await open()];
      const names = numbered("room", 300);
      const ends = await Promise.all(
        names.map(async (name, index) => (await keepAll(history, numbered("m", index % 4), name)).at(-1)),
      );

      assert.deepEqual(
        await other.positions(names),
        ends.map((end) => end && placeOf(end)),
      );
      const reversed = ends.toReversed().map((end) => end && placeOf(end));
      assert.deepEqual(await other.positions(names.toReversed()), reversed);
    },
  ),

  defineCase<ChannelHistory>("positions › of no names is none, of a name twice the same", async ({ open }) => {
    const history = await open();
    const position = placeOf(await keepIn(history, "m"));

    assert.deepEqual(await history.positions([]), []);
    const [a, room, again, roomAgain, gone] = await history.positions(["kept:a", "room", "kept:a", "room", "gone"]);
    assert.deepEqual([room, roomAgain, gone, again], [position, position, undefined, a]);
    assert.ok(a, "no epoch was begun");
  }),

  defineCase<ChannelHistory>("positions › no two names share an epoch", async ({ open }) => {
    const [history, other] = [await open(), await open()];
    const names = AWKWARD_NAMES.filter((name) => Buffer.byteLength(name) <= 1_000).map((name) => `kept:${name}`);

    const positions = await history.positions(names);

    assert.ok(positions.every(Boolean), "an epoch was not begun");
    assert.equal(new Set(positions.map((position) => position!.epoch)).size, names.length);
    assert.deepEqual(await other.positions(names), positions);
  }),

  defineCase<ChannelHistory>("positions › several callers at once agree on one epoch", async ({ open }) => {
    const histories = [await open(), await open(), await open(), await open()];

    for (const name of numbered("kept:room", 10)) {
      const found = await Promise.all(
        [...histories, ...histories, ...histories].map((history) => history.positions([name])),
      );
      assert.ok(found[0]![0], "no epoch was begun");
      assert.deepEqual(
        found,
        found.map(() => found[0]),
      );
      assertContiguous([found[0]![0], await keepIn(histories[0]!, "m", name)]);
    }
  }),

  defineCase<ChannelHistory>("positions, append › at the same time are of one epoch", async ({ open }) => {
    const [history, other] = [await open(), await open()];

    for (const name of numbered("kept:room", 20)) {
      const [[before], first, [between], second] = await Promise.all([
        history.positions([name]),
        keepIn(other, "1", name),
        other.positions([name]),
        keepIn(other, "2", name),
      ]);

      assertContiguous([first, second]);
      const possible = [first.offset - 1, first.offset, second.offset];
      for (const position of [before!, between!]) {
        assert.equal(position.epoch, first.epoch);
        assert.ok(possible.includes(position.offset), `${position.offset} is none of ${possible.join(", ")}`);
      }
    }
  }),
];
