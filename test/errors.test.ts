import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { ERROR_CODES, type ErrorCode, GlobalChannelError, isGlobalChannelError } from "../src/errors.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CODES = Object.keys(ERROR_CODES) as ErrorCode[];
const TEMPORARY: readonly ErrorCode[] = [
  "GC_STORE_UNAVAILABLE",
  "GC_TIMEOUT",
  "GC_FRONTEND_UNREACHABLE",
  "GC_BROKER_UNREACHABLE",
  "GC_OVERLOADED",
];

const sources = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => ({ path, text: readFileSync(join(ROOT, "src", path), "utf8") }));

/** Another copy of the module, as a process has that loads the package as ESM and as CommonJS. */
async function otherCopy(): Promise<typeof import("../src/errors.js")> {
  const url = new URL("../src/errors.ts?copy", import.meta.url);
  return import(url.href) as Promise<typeof import("../src/errors.js")>;
}

test("every code that the source names is in ERROR_CODES", (t) => {
  const unknown = sources.flatMap(({ path, text }) =>
    [...text.matchAll(/\bGC_\w+/g)]
      .filter(([code]) => !Object.hasOwn(ERROR_CODES, code))
      .map(([code]) => `${path}: ${code}`),
  );
  t.deepEqual(unknown, []);
});

test("every code of ERROR_CODES is one that an error can have", (t) => {
  const made = new Set(
    sources.flatMap(({ text }) => [...text.matchAll(/new GlobalChannelError\(\s*"(GC_\w+)"/g)].map(([, code]) => code)),
  );
  t.deepEqual(
    CODES.filter((code) => !made.has(code)),
    [],
  );
});

test("README has one row for each code, in the same order and with the same meaning, and no other row", (t) => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const rows = [...readme.matchAll(/^\| `(GC_\w+)` \| (.*) \|$/gm)].map(([, code, meaning]) => [code, meaning]);
  t.deepEqual(rows, Object.entries(ERROR_CODES));
});

test("README names no code that there is not", (t) => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const named = [...readme.matchAll(/\bGC_\w+/g)].map(([code]) => code);
  t.deepEqual(
    named.filter((code) => !Object.hasOwn(ERROR_CODES, code)),
    [],
  );
});

test("the meaning of a code says that it is temporary exactly if its errors are", (t) => {
  for (const code of CODES) {
    t.is(new GlobalChannelError(code, "it").temporary, TEMPORARY.includes(code), code);
    t.is(ERROR_CODES[code].includes("(temporary)"), TEMPORARY.includes(code), code);
  }
});

test("whoever knows better says whether an error is temporary", (t) => {
  t.true(new GlobalChannelError("GC_STORE_ERROR", "busy", { temporary: true }).temporary);
  t.false(new GlobalChannelError("GC_TIMEOUT", "never", { temporary: false }).temporary);
});

test("an error is an Error with a name, a message, a code and a stack", (t) => {
  const error = new GlobalChannelError("GC_CLOSED", "it is closed");
  t.true(error instanceof Error);
  t.is(error.name, "GlobalChannelError");
  t.is(error.message, "it is closed");
  t.is(error.code, "GC_CLOSED");
  t.is(String(error), "GlobalChannelError: it is closed");
  t.regex(error.stack ?? "", /errors\.test\.ts/);
});

test("an error has no field for what does not apply to it", (t) => {
  const bare = new GlobalChannelError("GC_CLOSED", "it is closed");
  t.deepEqual(Object.keys(bare).toSorted(), ["code", "name", "temporary"]);
  for (const field of ["argument", "channel", "sid", "holder", "report", "cause"]) t.false(field in bare, field);

  const refused = new GlobalChannelError("GC_INVALID_ARGUMENT", "no", { argument: "name" });
  t.deepEqual(Object.keys(refused).toSorted(), ["argument", "code", "name", "temporary"]);
});

test("an error has every detail that it was given, and its cause as every Error has it", (t) => {
  const cause = new Error("first");
  const details = { argument: "a", channel: "room", sid: "s1", holder: "pid 1", report: { failIds: ["ann"] } };
  const error = new GlobalChannelError("GC_PUSH_FAILED", "no", { ...details, cause });
  t.like(error, details);
  t.is(error.cause, cause);
  t.false(Object.keys(error).includes("cause"));
});

test("an error of another copy of the package is known, both ways", async (t) => {
  const other = await otherCopy();
  t.not(other.GlobalChannelError, GlobalChannelError);
  const theirs = new other.GlobalChannelError("GC_TIMEOUT", "late");
  t.false(theirs instanceof GlobalChannelError);
  t.true(isGlobalChannelError(theirs));
  t.true(other.isGlobalChannelError(new GlobalChannelError("GC_TIMEOUT", "late")));
});

test("nothing else is taken for an error of this package", (t) => {
  t.true(isGlobalChannelError(new GlobalChannelError("GC_CLOSED", "it is closed")));
  const alike = Object.assign(new Error("it is closed"), {
    name: "GlobalChannelError",
    code: "GC_CLOSED",
    temporary: false,
  });
  const values = [
    ...[alike, Object.assign({}, alike), new Error("x"), new TypeError("x"), {}, [], Object.create(null), new Map()],
    ...[null, undefined, "", "GC_CLOSED", 0, 1, Number.NaN, 1n, true, false],
    ...[Symbol.for("globalchannel.error"), GlobalChannelError, () => alike],
    ...[Object.assign({}, new GlobalChannelError("GC_CLOSED", "a copy of the fields"))],
  ] as unknown[];
  for (const value of values) t.false(isGlobalChannelError(value));
});

test("what marks an error does not show where it is printed or copied", (t) => {
  const error = new GlobalChannelError("GC_CLOSED", "it is closed", { sid: "s1" });
  t.deepEqual(JSON.parse(JSON.stringify(error)), {
    name: "GlobalChannelError",
    code: "GC_CLOSED",
    temporary: false,
    sid: "s1",
  });
});
