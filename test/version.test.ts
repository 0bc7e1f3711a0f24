import test from "ava";
import * as fc from "fast-check";
import { firstVersion, isAtLeast, isFirst, newEpoch, nextVersion } from "../src/version.js";

/** `epoch.counter`; an epoch of a manager of the user's own may have anything in it. */
const epoch = fc.oneof(
  fc.stringMatching(/^[\w-]{8}$/),
  fc.string({ minLength: 1, maxLength: 6 }),
  fc.constantFrom("1.2", "."),
);
const counter = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 1 });

test("versions of one epoch are in the order of their counters, as numbers", (t) => {
  const property = fc.property(epoch, counter, counter, (name, one, other) => {
    return isAtLeast(`${name}.${one}`, `${name}.${other}`) === one >= other;
  });

  t.notThrows(() => fc.assert(property));
  t.true(isAtLeast("e.10", "e.9"));
});

test("versions of different epochs have no order", (t) => {
  const property = fc.property(epoch, epoch, counter, counter, (one, other, first, second) => {
    fc.pre(one !== other);
    return !isAtLeast(`${one}.${first}`, `${other}.${second}`);
  });

  t.notThrows(() => fc.assert(property));
});

test("the next version is of the same epoch, later, and never the first", (t) => {
  const property = fc.property(epoch, counter, (name, count) => {
    const version = `${name}.${count}`;
    const next = nextVersion(version);
    return next === `${name}.${count + 1}` && isAtLeast(next, version) && !isAtLeast(version, next) && !isFirst(next);
  });

  t.notThrows(() => fc.assert(property));
});

test("a first version begins an epoch that never was before", (t) => {
  const versions = Array.from({ length: 2000 }, () => firstVersion());

  t.true(versions.every((version) => isFirst(version)));
  t.is(new Set(versions).size, versions.length);
});

test("an epoch has no dot and no space, so that a version may stand between others", (t) => {
  for (let count = 0; count < 2000; count++) t.regex(newEpoch(), /^[\w-]{8}$/);
});
