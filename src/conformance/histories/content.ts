import assert from "node:assert/strict";
import type { ChannelHistory, HistoryEntry } from "../../types.js";
import { defineCase } from "../case.js";
import { assertSameData, assertSameItems, numbered } from "../expect.js";
import { AWKWARD_NAMES } from "../samples.js";
import { bodiesOf, keepIn, message, PLENTY, readAll } from "./kept.js";

async function keepEntry(history: ChannelHistory, entry: HistoryEntry): Promise<void> {
  await history.append({ entry, limits: entry.names.map((_name, index) => (index === 0 ? PLENTY : undefined)) });
}

export const contentCases = [
  defineCase<ChannelHistory>("append › what is kept comes back as it was given", async ({ open }) => {
    const [history, other] = [await open(), await open()];
    const all: HistoryEntry[] = [
      message("{}"),
      { ...message('"to some"', ["room", "hall", "yard"]), except: ["ann"] },
      { ...message("[1,2]"), except: ["ann", "ben"], id: "aB-_9" },
      { ...message("0", ["room", "hall"]), stype: "gate", route: "room.left", id: "7" },
    ];

    for (const entry of all) await keepEntry(history, entry);

    const { entries } = await readAll(other);
    assertSameData(
      entries,
      all.map((entry, index) => ({ ...entry, offset: entries[0]!.offset + index, at: entries[index]?.at })),
    );
  }),

  defineCase<ChannelHistory>(
    "append › an entry says when it was kept: of several channels, too, the later one has the later time",
    async ({ open }) => {
      const history = await open();
      const before = Date.now();

      const names = numbered("channel", 3);
      for (let round = 0; round < 5; round++) for (const name of names) await keepIn(history, `${round}`, name);

      const entries = await Promise.all(names.map(async (name) => (await readAll(history, name)).entries));
      const times = numbered("", 5).flatMap((_round, round) => entries.map((own) => own[round]!.at));
      assert.deepEqual(
        times,
        times.toSorted((one, other) => one - other),
      );
      assert.equal(new Set(times).size, times.length, "two of them have the same time");
      // The clock of the store may be another machine's.
      assert.ok(Math.abs(times[0]! - before) < 60_000, `${times[0]} is no time of now, which is ${before}`);
    },
  ),

  defineCase<ChannelHistory>("append › names of every kind come back as they were given", async ({ open }) => {
    const [history, other] = [await open(), await open()];
    const all = AWKWARD_NAMES.map((name, index): HistoryEntry => ({
      stype: name,
      route: name,
      body: JSON.stringify(name),
      except: [name, AWKWARD_NAMES.at(index - 1)!],
      names: [name, AWKWARD_NAMES.at(index - 2)!],
      id: name,
    }));

    await Promise.all(all.map((entry) => keepEntry(history, entry)));

    await Promise.all(
      all.map(async (entry) => {
        const { entries } = await readAll(other, entry.names[0]);
        assertSameData(entries, [{ ...entry, offset: entries[0]?.offset, at: entries[0]?.at }]);
      }),
    );
  }),

  defineCase<ChannelHistory>("append, remove › no two names share a history", async ({ open }) => {
    const [history, other] = [await open(), await open()];
    const bodies = new Map(AWKWARD_NAMES.map((name, index) => [name, numbered(`${index}:`, 1 + (index % 3))]));
    await Promise.all([...bodies].flatMap(([name, own]) => own.map((body) => keepIn(history, body, name))));

    const removed = AWKWARD_NAMES.filter((_name, index) => index % 2 === 0);
    await Promise.all(removed.map((name) => other.remove(name)));

    await Promise.all(
      [...bodies].map(async ([name, own]) => {
        assert.deepEqual(await bodiesOf(history, name), removed.includes(name) ? [] : own, JSON.stringify(name));
      }),
    );
  }),

  defineCase<ChannelHistory>("append › the body comes back byte for byte", async ({ open }) => {
    const history = await open();
    const bodies = [
      '{ "spaces" :  1.0,\t"order": [ ], "1e2": 1e2, "big": 12345678901234567890 }',
      '"\\u0000\\u2028 escaped, \u2028\u2029 not, \\/ \\" \\\\ \\ud800"',
      JSON.stringify({ composed: "\u00e9", decomposed: "e\u0301", emoji: "👨‍👩‍👧", text: "日本 \ufeff \u202e \u007f" }),
      "null",
      '""',
    ];

    for (const body of bodies) await keepIn(history, body);

    assert.deepEqual(await bodiesOf(history), bodies);
  }),

  defineCase<ChannelHistory>(
    "read › bodies of 1 MB come back, perhaps few at a time, but one if there is one",
    async ({ open }) => {
      const history = await open();
      const bodies = numbered("m", 6).map((start) => JSON.stringify(start.padEnd(1_000_000, "\u00e9😀x")));
      for (const body of bodies) await keepIn(history, body);

      const { position, entries } = await readAll(history);
      assert.deepEqual([entries.length, entries.at(-1)?.offset], [6, position?.offset]);
      const reversed: string[] = [];
      let until = position!.offset;
      while (reversed.length < bodies.length) {
        const page = await history.read("room", { after: 0, until, limit: 10, reverse: true });
        assert.ok(page.entries.length > 0, "nothing was read, though there is more");
        reversed.push(...page.entries.map(({ body }) => body));
        until = page.entries.at(-1)!.offset - 1;
      }

      for (const read of [entries.map(({ body }) => body), reversed.toReversed()]) {
        assert.ok(
          read.every((body, index) => body === bodies[index]),
          "a body was changed, or is in another place",
        );
      }
    },
  ),

  defineCase<ChannelHistory>("append › 10,000 uids who are left out come back", async ({ open }) => {
    const history = await open();
    const entry = { ...message("m"), except: numbered("user-", 10_000) };

    await keepEntry(history, entry);

    const { entries } = await readAll(history);
    assertSameItems(entries[0]!.except, entry.except);
    assert.equal(entries[0]!.body, "m");
  }),
];
