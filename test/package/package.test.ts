// Tests what `npm run build` has made, as users get it: `npm run check:package`.
import { readdir, readFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";

import test from "ava";

import { EXPORTS, IMPORTS, makeConsumer } from "./consumer.js";

test("exports › every file of exports is in the package, and every file in dist is exported or part of one", async (t) => {
  const consumer = await makeConsumer(t);
  const dist = join(consumer.package, "dist");
  const files = (await readdir(dist, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name !== "package.json")
    .map((entry) => join(entry.parentPath, entry.name));

  const reached = new Set(targets(EXPORTS.map(([, target]) => target)).map((target) => join(consumer.package, target)));
  for (const file of reached) {
    t.true(files.includes(file), file);
    const parts = partsOf(await readFile(file, "utf8")).map((part) => resolve(file, "..", part));
    for (const part of parts) reached.add(file.includes(".d.") ? declarationsOf(part) : part);
  }

  t.deepEqual(
    files.filter((file) => !reached.has(file)).map((file) => relative(dist, file)),
    [],
  );
});

test("exports › import and require give the same names", async (t) => {
  const consumer = await makeConsumer(t, ["ioredis", "ws"]);
  const list = JSON.stringify(IMPORTS);

  const imported = await consumer.run(
    "names.mjs",
    `const names = {};
     for (const path of ${list}) names[path] = Object.keys(await import(path)).sort();
     console.log(JSON.stringify(names));`,
  );
  const required = await consumer.run(
    "names.cjs",
    `const names = {};
     for (const path of ${list}) names[path] = Object.keys(require(path)).sort();
     console.log(JSON.stringify(names));`,
  );

  t.deepEqual(imported, required);
  for (const [path, names] of Object.entries(imported as object)) t.true(names.length > 0, path);
});

for (const [path, dependencies] of [
  ["globalchannel", []],
  ["globalchannel/conformance", []],
  ["globalchannel/redis", ["ioredis"]],
  ["globalchannel/websocket", ["ws"]],
] as const) {
  test(`${path} › loads where ${dependencies[0] ?? "no other package"} is installed alone`, async (t) => {
    const consumer = await makeConsumer(t, dependencies);

    t.true(await consumer.run("load.mjs", `await import("${path}"); console.log(true);`));
    t.true(await consumer.run("load.cjs", `require("${path}"); console.log(true);`));
  });
}

test("errors › isGlobalChannelError knows the errors of the other module format", async (t) => {
  const consumer = await makeConsumer(t);

  const known = await consumer.run(
    "errors.mjs",
    `import { createRequire } from "node:module";
     import * as esm from "globalchannel";
     const cjs = createRequire(import.meta.url)("globalchannel");
     const pairs = [[esm, cjs], [cjs, esm]];
     console.log(JSON.stringify(pairs.map(([a, b]) => a.isGlobalChannelError(new b.GlobalChannelError("GC_CLOSED", "")))));`,
  );

  t.deepEqual(known, [true, true]);
});

test("types › resolve for import and for require, and refuse what is wrong", async (t) => {
  const consumer = await makeConsumer(t, ["ioredis", "@ioredis/commands", "ws", "@types/node", "@types/ws"]);
  const source = `
    import { GlobalChannelService, memory, type Cluster, type ErrorCode } from "globalchannel";
    import { channelManagerConformance, type ConformanceCase } from "globalchannel/conformance";
    import { redis } from "globalchannel/redis";
    import { WebSocketConnector } from "globalchannel/websocket";

    export const code: ErrorCode = "GC_CLOSED";
    export const clusters: Cluster[] = [memory(), redis("redis://localhost")];
    export const service = new GlobalChannelService({ cluster: memory() });
    export const report = service.pushMessage("connector", "onChat", { text: "hi" }, "room");
    export const added: Promise<boolean> = service.add("room", "alice", "connector-1");
    export const cases: ConformanceCase<never>[] = channelManagerConformance();
    export const connector: object = new WebSocketConnector({ port: 0, authenticate: () => "alice" });

    // @ts-expect-error no such code
    export const noCode: ErrorCode = "GC_NONE";
    // @ts-expect-error a cluster is needed
    new GlobalChannelService({});
    // @ts-expect-error a number is no Redis
    redis(1);
    // @ts-expect-error no such option
    new WebSocketConnector({ port: 0, authenticate: () => "alice", nonsense: true });
  `;

  t.is(await consumer.compile({ "esm.mts": source, "cjs.cts": source }), "");
});

function targets(node: unknown): string[] {
  return typeof node === "string" ? [node] : Object.values(node as object).flatMap(targets);
}

/** The relative paths that a built file imports. */
function partsOf(source: string): string[] {
  return [...source.matchAll(/(?:from|import|require)\s*\(?\s*["'](\.[^"']+)["']/g)].map((match) => match[1]!);
}

/** The file that declares the module `file`. */
function declarationsOf(file: string): string {
  return file.replace(/\.(c?)js$/, ".d.$1ts");
}
