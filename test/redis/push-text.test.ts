import test from "ava";
import * as fc from "fast-check";
import { decodePushText, encodePushText } from "../../src/redis/push-text.js";

// What a push is comes back as it was, in one line, whatever names are made of.

const name = fc.oneof(
  fc.string({ unit: "binary", minLength: 1, maxLength: 8 }),
  fc
    .array(fc.constantFrom("\t", "\n", "\r\n", '"', "'", "\\", "{", "[", "]", "}", ",", "\u2028", "\0", "a", '"\t"'), {
      minLength: 1,
      maxLength: 6,
    })
    .map((pieces) => pieces.join("")),
);
const push = fc.record({
  route: fc.oneof(name, fc.constant("")),
  names: fc.array(name, { maxLength: 5 }),
  except: fc.array(name, { maxLength: 5 }),
  id: fc.option(fc.oneof(name, fc.constant("")), { nil: undefined }),
});

test("a push comes back as it was, and is one line", (t) => {
  const property = fc.property(push, (given) => {
    const text = encodePushText(given);
    t.false(/[\n\r]/.test(text));
    const { id, ...rest } = decodePushText(text);
    t.deepEqual({ ...rest, id }, given);
  });
  t.notThrows(() => fc.assert(property, { numRuns: 1_000 }));
});

test("different pushes are different texts", (t) => {
  const property = fc.property(push, push, (a, b) => {
    const isSame =
      JSON.stringify([a.route, a.names, a.except, a.id ?? null]) ===
      JSON.stringify([b.route, b.names, b.except, b.id ?? null]);
    return isSame || encodePushText(a) !== encodePushText(b);
  });
  t.notThrows(() => fc.assert(property, { numRuns: 1_000 }));
});

test("what has nobody left out and no id is the route and the names alone", (t) => {
  t.is(encodePushText({ route: "chat", names: ["a", "b\t"], except: [] }), '"chat"\t"a"\t"b\\t"');
  t.is(encodePushText({ route: "chat", names: [], except: ["ann"], id: "7" }), '"chat"\t["ann"]\t{"id":"7"}');
});

test("text that nobody has written is refused", (t) => {
  for (const text of ["", "chat", '"chat', '"chat"\t', '"chat"\t"a', '"chat"\t{', '"chat"\t\t"a"']) {
    t.throws(() => decodePushText(text), { instanceOf: SyntaxError }, text);
  }
});
