import test from "ava";
import * as fc from "fast-check";
import { checkName, checkId, describe, encodeMessage } from "../src/arguments.js";
import { type GlobalChannelError, isGlobalChannelError } from "../src/errors.js";

// What the checks take and refuse, for any value there is; which call checks what is in service/bad-input.test.ts.

/** The longest name, in bytes of UTF-8. */
const MAX_NAME_BYTES = 1024;

/** What a check throws, or undefined. Anything else than an error of this package fails the test. */
function refusal(check: () => unknown): GlobalChannelError | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (!isGlobalChannelError(error)) throw new Error(`threw ${String(error)}`, { cause: error });
    return error;
  }
}

/** Strings of any UTF-16 units, lone surrogates among them. */
const anyString = fc.array(fc.nat(0xffff), { maxLength: 400 }).map((units) => String.fromCharCode(...units));

test("a string is a name exactly if it is not empty, well-formed, and at most 1,024 bytes of UTF-8", (t) => {
  const property = fc.property(fc.oneof(anyString, fc.string({ unit: "binary", maxLength: 1100 })), (text) => {
    const bytes = new TextEncoder().encode(text).length;
    const isName = text !== "" && text.isWellFormed() && bytes <= MAX_NAME_BYTES;
    return (refusal(() => checkName("name", text)) === undefined) === isName;
  });

  t.notThrows(() => fc.assert(property, { numRuns: 1000 }));
});

test("a name is given back as it came, neither trimmed nor normalised", (t) => {
  for (const name of [" ", "a ", "\n", "e\u0301", "\u00e9", "\0", "__proto__"]) t.is(checkName("name", name), name);
});

test("whatever else is given as a name or uid is refused, naming the argument", (t) => {
  const notText = fc.anything({ withBigInt: true, withDate: true, withNullPrototype: true });
  const property = fc.property(notText, (value) => {
    fc.pre(typeof value !== "string");
    const isUid = Number.isSafeInteger(value);
    return [refusal(() => checkName("name", value)), isUid ? undefined : refusal(() => checkId("name", value))].every(
      (error, index) =>
        (index === 1 && isUid) ||
        (error?.code === "GC_INVALID_ARGUMENT" && error.argument === "name" && error.message.startsWith("name is ")),
    );
  });

  t.notThrows(() => fc.assert(property));
});

test("no two uids are one, but an integer and its decimal string", (t) => {
  const uid = fc.oneof(fc.maxSafeInteger(), fc.string({ minLength: 1 }), fc.constantFrom("-0", "00", "1e3", "+1"));
  const property = fc.property(uid, uid, (one, other) => {
    fc.pre(refusal(() => [checkId("uid", one), checkId("uid", other)]) === undefined);
    return (checkId("uid", one) === checkId("uid", other)) === (String(one) === String(other));
  });

  t.notThrows(() => fc.assert(property));
});

test("any value is described, on one short line", (t) => {
  const values = [Symbol("x"), () => {}, -0, 1n, Object.create(null), "\n".repeat(5000), "😀".repeat(80)];
  const property = fc.property(fc.oneof(fc.anything({ withBigInt: true }), anyString), (value) => {
    const text = describe(value);
    return !/[\n\r]/.test(text) && text.length < 500 && text.isWellFormed();
  });

  t.notThrows(() => fc.assert(property));
  for (const value of values) t.notRegex(describe(value), /\n/);
});

test("a message is written as JSON writes it, or refused with a code", (t) => {
  const property = fc.property(fc.anything({ withBigInt: true }), (msg) => {
    let json: string | undefined;
    try {
      json = JSON.stringify(msg) as string | undefined;
    } catch {
      // Refused below.
    }
    if (json !== undefined) return encodeMessage(msg, 1024 * 1024) === json;
    return refusal(() => encodeMessage(msg, 1024 * 1024))?.code === "GC_MESSAGE_NOT_SERIALIZABLE";
  });

  t.notThrows(() => fc.assert(property));
});

for (const thrown of [new TypeError("no"), "no", null, undefined, 7]) {
  test(`a message whose toJSON throws ${describe(thrown)} is refused with that as the cause`, (t) => {
    const msg = {
      toJSON() {
        // oxlint-disable-next-line typescript/only-throw-error -- as applications may
        throw thrown;
      },
    };

    const error = refusal(() => encodeMessage(msg, 1024));

    t.is(error?.code, "GC_MESSAGE_NOT_SERIALIZABLE");
    t.is(error?.cause, thrown);
  });
}

test("a message is too large from the first byte that is over the limit on", (t) => {
  const property = fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 60 }), (msg, maxBytes) => {
    const bytes = new TextEncoder().encode(JSON.stringify(msg)).length;
    const error = refusal(() => encodeMessage(msg, maxBytes));
    return bytes > maxBytes ? error?.code === "GC_MESSAGE_TOO_LARGE" : error === undefined;
  });

  t.notThrows(() => fc.assert(property));
});
