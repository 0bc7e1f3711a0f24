import test from "ava";
import * as fc from "fast-check";
import { isGlobalChannelError } from "../src/errors.js";
import { checkLimits, findLimits, historyPatterns } from "../src/history-limits.js";

const SOME = { size: 10, ttlMs: 1_000 };
const MORE = { size: 20, ttlMs: 2_000 };

function limitsOf(channels: Record<string, unknown>) {
  return findLimits("History", { channels: channels as never });
}

test("a pattern is a name, or has one * for any text, or none", (t) => {
  const cases: [pattern: string, fits: string[], others: string[]][] = [
    ["room", ["room"], ["room:", "roo", "Room", "", "rooms"]],
    ["room:*", ["room:", "room:1", "room:*", "room:a:b\n"], ["room", "Room:1", " room:1"]],
    ["*:log", [":log", "a:log", "*:log"], ["log", "a:log ", "a:logs"]],
    ["a*a", ["aa", "aba", "a*a", "aaa"], ["a", "ab", "ba", ""]],
    ["ab*ba", ["abba", "ab-ba"], ["aba", "ab"]],
    ["*", ["", "a", "*", "\n"], []],
    ["", [""], ["a"]],
    [".*", [".a", "."], ["a", "ab"]],
    ["[a]*", ["[a]", "[a]b"], ["a", "ab"]],
    ["__proto__*", ["__proto__"], ["proto"]],
  ];
  for (const [pattern, fits, others] of cases) {
    const find = limitsOf(Object.fromEntries([[pattern, SOME]]));
    for (const name of fits) t.deepEqual(find(name), SOME, `${pattern} fits ${name}`);
    for (const name of others) t.is(find(name), undefined, `${pattern} does not fit ${name}`);
  }
});

test("a name fits the pattern that it is made of, and no other text does", (t) => {
  const part = fc.string({ unit: "binary", maxLength: 4 }).filter((text) => !text.includes("*"));
  const property = fc.property(part, part, fc.string({ unit: "binary", maxLength: 6 }), (start, end, name) => {
    const find = limitsOf({ [`${start}*${end}`]: SOME });
    const fits = name.startsWith(start) && name.endsWith(end) && name.length >= start.length + end.length;
    return find(start + name + end) !== undefined && (find(name) !== undefined) === fits;
  });
  t.notThrows(() => fc.assert(property));
});

test("the first pattern that fits counts, with false for nothing", (t) => {
  const find = limitsOf({ "room:secret": false, "room:large": MORE, "room:*": SOME, "*": false });

  t.deepEqual(
    ["room:secret", "room:large", "room:a", "hall"].map((name) => find(name)),
    [undefined, MORE, SOME, undefined],
  );
});

test("without patterns nothing is kept", (t) => {
  for (const options of [{}, { channels: undefined }, { channels: {} }])
    t.is(findLimits("History", options)("room"), undefined);
  t.is(historyPatterns("history", undefined), undefined);
  t.deepEqual(historyPatterns("history", { "*": SOME }), { "*": SOME });
});

test("limits are whole numbers, rounded up", (t) => {
  t.deepEqual(checkLimits("history", { size: 1.2, ttlMs: 1_000.5 }), { size: 2, ttlMs: 1_001 });
  t.deepEqual(checkLimits("history", { size: 100_000, ttlMs: 12 * 86_400_000 }), {
    size: 100_000,
    ttlMs: 12 * 86_400_000,
  });
  t.deepEqual(limitsOf({ a: { size: 1.2, ttlMs: 1.2 } })("a"), { size: 2, ttlMs: 2 });
});

test("what says nothing is refused, and named", (t) => {
  const wrong: [channels: unknown, named: string][] = [
    ...[null, 1, "room:*", [], [SOME]].map((channels): [unknown, string] => [channels, "channels"]),
    [{ "a*b*c": SOME }, "a*b*c"],
    [{ "**": SOME }, "**"],
    ...[true, null, undefined, 5, "all", []].map((limits): [unknown, string] => [{ "room:*": limits }, "room:*"]),
    ...[0, -1, NaN, Infinity, 100_001, "5", null, undefined].map((size): [unknown, string] => [
      { "room:*": { size, ttlMs: 1_000 } },
      "size",
    ]),
    ...[0, -1, NaN, Infinity, 13 * 86_400_000, "5", null, undefined].map((ttlMs): [unknown, string] => [
      { "room:*": { size: 1, ttlMs } },
      "ttlMs",
    ]),
    [{ "room:*": { ...SOME, ttl: 5 } }, "ttl"],
  ];
  for (const [channels, named] of wrong) {
    const says = JSON.stringify(channels);
    const error = t.throws(() => limitsOf(channels as never), undefined, says);
    t.true(isGlobalChannelError(error) && error.code.startsWith("GC_INVALID_"), says);
    t.true(error?.message.includes(named), `${says}: ${error?.message}`);
    t.throws(() => historyPatterns("history", channels), undefined, says);
  }
});
