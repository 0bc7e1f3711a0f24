// Tests what `npm run build` has made, as users get it: `npm run check:package`.
import { execFile } from "node:child_process";
import { readdir, readFile, symlink } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { promisify } from "node:util";

import test from "ava";

import { COMMANDS, CORE, EXPORTS, IMPORTS, makeConsumer } from "./consumer.js";

/** What a manager in MySQL is made with. */
const REDIS = ["ioredis", "cluster-key-slot"] as const;
const MYSQL = ["mysql2", "p-retry"] as const;
const SSE = ["eventsource-encoder"] as const;
const KOA_SIGNAL = [...SSE, "co-body", "bytes", "ipaddr.js"] as const;
const SNAPPER = ["jsonwebtoken", "engine.io"] as const;

/** What failed, as a test prints it. */
interface Failure {
  code: string;
  message: string;
}

/** What the frameworks load by path. */
const LOADED = ["dist/cjs/pomelo/components/globalChannel.js", "dist/cjs/pinus/remoters/globalChannelRemote.js"];

test("exports › every file that is named is in the package, and every file in dist is named or part of one", async (t) => {
  const consumer = await makeConsumer(t);
  const dist = join(consumer.package, "dist");
  const files = (await readdir(dist, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name !== "package.json")
    .map((entry) => join(entry.parentPath, entry.name));

  const named = [...targets(EXPORTS.map(([, target]) => target)), ...COMMANDS, ...LOADED];
  const reached = new Set(named.map((target) => join(consumer.package, target)));
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
  const consumer = await makeConsumer(t, [...CORE, ...REDIS, ...MYSQL, "ws", ...KOA_SIGNAL, ...SNAPPER]);
  // Pomelo's is only there in CommonJS, where a module has no default; koa-signal's is nothing but a default.
  const differing = ["globalchannel/pomelo", "globalchannel/koa-signal"];
  const list = JSON.stringify(IMPORTS.filter((path) => !differing.includes(path)));

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

for (const [path, needed] of [
  ["globalchannel", []],
  ["globalchannel/conformance", []],
  ["globalchannel/redis", REDIS],
  ["globalchannel/mysql", MYSQL],
  ["globalchannel/websocket", ["ws"]],
  ["globalchannel/socket.io", []],
  ["globalchannel/sse", SSE],
  ["globalchannel/koa-signal", KOA_SIGNAL],
  ["globalchannel/snapper", SNAPPER],
  ["globalchannel/transom", []],
  ["globalchannel/pomelo", []],
  ["globalchannel/pinus", REDIS],
] as const) {
  test(`${path} › loads where ${needed.join(", ") || "nothing"} is installed besides what the core needs`, async (t) => {
    const consumer = await makeConsumer(t, [...CORE, ...needed]);

    t.true(await consumer.run("load.mjs", `await import("${path}"); console.log(true);`));
    t.true(await consumer.run("load.cjs", `require("${path}"); console.log(true);`));
  });
}

for (const [path, missing] of [
  ["globalchannel/mysql", "mysql2"],
  ["globalchannel/websocket", "ws"],
] as const) {
  test(`${path} › says what is missing where ${missing} is not installed`, async (t) => {
    const consumer = await makeConsumer(
      t,
      [...CORE, ...REDIS, ...MYSQL, "ws"].filter((name) => name !== missing),
    );
    const said = "({ code, message }) => console.log(JSON.stringify({ code, message: message.split('\\n')[0] }))";

    const imported = (await consumer.run("load.mjs", `import("${path}").catch(${said});`)) as Failure;
    const required = (await consumer.run(
      "load.cjs",
      `try { require("${path}"); } catch (error) { (${said})(error); }`,
    )) as Failure;

    t.is(imported.code, "ERR_MODULE_NOT_FOUND");
    t.regex(imported.message, new RegExp(`^Cannot find package '${missing}' imported from `));
    t.deepEqual(required, { code: "MODULE_NOT_FOUND", message: `Cannot find module '${missing}'` });
  });
}

const EMITS = `
  const registry = new Map();
  await transom.initialize({ registry }, { cluster: memory() });
  const { failed } = await registry.get("transomMsgClient").emitToUsers({ _id: 1 }, "news", {});
  let opened = true;
  await transom.initializeWithServer(createServer()).catch(({ code }) => (opened = code));
  await transom.stop();
  console.log(JSON.stringify({ failed, opened }));`;

for (const [installed, needed, opened] of [
  ["", [], "MODULE_NOT_FOUND"],
  [", and lets clients connect where socket.io is", ["socket.io"], true],
] as const) {
  test(`transom › emits where socket.io is not installed${installed}`, async (t) => {
    const consumer = await makeConsumer(t, [...CORE, ...needed]);

    const imported = await consumer.run(
      "emit.mjs",
      `import { createServer } from "node:http";
       import { memory } from "globalchannel";
       import transom from "globalchannel/transom";
       ${EMITS}`,
    );
    const required = await consumer.run(
      "emit.cjs",
      `const { createServer } = require("node:http");
       const { memory } = require("globalchannel");
       const transom = require("globalchannel/transom");
       (async () => { ${EMITS} })();`,
    );

    t.deepEqual(
      [imported, required],
      [
        { failed: 1, opened },
        { failed: 1, opened },
      ],
    );
  });
}

const SIGNALS = `
  const app = new Koa();
  const signalling = signal();
  app.use(signalling);
  const server = app.listen(0);
  const url = "http://localhost:" + server.address().port;
  const { status, body } = await fetch(url);
  let text = "";
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  const read = async (pattern) => {
    while (!pattern.test(text)) text += (await reader.read()).value;
    return JSON.parse(pattern.exec(text)[1]);
  };
  const { id, token } = await read(/event: connect\\ndata: (.*)\\n\\n/);
  const headers = { "Content-Type": "application/json" };
  const posted = await fetch(url + "/" + id, { method: "POST", headers, body: JSON.stringify({ token, data: 1 }) });
  const signalled = await read(/event: signal\\ndata: (.*)\\n\\n/);
  await signalling.stop();
  server.close();
  console.log(JSON.stringify([status, posted.status, signalled]));`;

test("koa-signal › is a function with require, and the default with import", async (t) => {
  const consumer = await makeConsumer(t, [...CORE, ...KOA_SIGNAL, "koa"]);

  const imported = await consumer.run(
    "signal.mjs",
    `import Koa from "koa";
     import signal from "globalchannel/koa-signal";
     ${SIGNALS}`,
  );
  const required = await consumer.run(
    "signal.cjs",
    `const Koa = require("koa");
     const signal = require("globalchannel/koa-signal");
     (async () => { ${SIGNALS} })();`,
  );

  t.deepEqual(imported, [201, 200, 1]);
  t.deepEqual(required, [201, 200, 1]);
});

test("pomelo › is a folder with one component, whose module is a factory without a name", async (t) => {
  const consumer = await makeConsumer(t, [...CORE, ...REDIS]);

  const seen = await consumer.run(
    "pomelo.cjs",
    `const { components } = require("globalchannel/pomelo");
     const { basename, join } = require("node:path");
     const files = require("node:fs").readdirSync(components);
     const factory = require(join(components, files[0]));
     console.log(JSON.stringify({ folder: basename(components), files, type: typeof factory, name: factory.name }));`,
  );
  const imported = await consumer.run(
    "pomelo.mjs",
    `import globalChannel, { components } from "globalchannel/pomelo";
     console.log(JSON.stringify(globalChannel.components === components));`,
  );

  t.deepEqual(seen, { folder: "components", files: ["globalChannel.js"], type: "function", name: "" });
  t.true(imported);
});

test("pinus › is the same plugin by import and by require, with the remote that Pinus loads", async (t) => {
  const consumer = await makeConsumer(t, [...CORE, ...REDIS]);
  const describe = `
    const describe = ({ name, components, events, remoterPath }) => ({
      name,
      components: components.map((component) => typeof component),
      events,
      remoterPath,
    });`;

  const imported = await consumer.run(
    "pinus.mjs",
    `import globalChannel, * as module from "globalchannel/pinus";
     import { createRequire } from "node:module";
     ${describe}
     const remote = createRequire(import.meta.url)(globalChannel.remoterPath + "/globalChannelRemote.js").default({});
     console.log(JSON.stringify([describe(globalChannel), describe(module), remote.name]));`,
  );
  const required = await consumer.run(
    "pinus.cjs",
    `const globalChannel = require("globalchannel/pinus");
     ${describe}
     console.log(JSON.stringify([describe(globalChannel), describe(globalChannel.default), "globalChannelRemote"]));`,
  );

  t.deepEqual(imported, required);
  t.like((required as object[])[0], { name: "globalChannel", components: ["function"], events: [] });
});

test("globalchannel › the command runs where the package's dependencies are installed", async (t) => {
  const consumer = await makeConsumer(t);
  const command = join(consumer.package, COMMANDS[0]!);
  // It finds them as the project does.
  await symlink(join(import.meta.dirname, "../../node_modules"), join(consumer.package, "node_modules"));

  const { stdout } = await promisify(execFile)(process.execPath, [command, "--help"]);

  t.regex(stdout, /migrate/);
});

test("errors › isGlobalChannelError knows the errors of the other module format", async (t) => {
  const consumer = await makeConsumer(t, CORE);

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
  const consumer = await makeConsumer(t, [
    ...["ioredis", "@ioredis/commands", "mysql2", "sql-escaper", "ws", "@types/node", "@types/ws"],
    ...[
      "socket.io",
      "socket.io-adapter",
      "socket.io-parser",
      "engine.io",
      "engine.io-parser",
      "@socket.io/component-emitter",
    ],
    ...["@types/cors"],
  ]);
  const source = `
    import { GlobalChannelService, memory, type Cluster, type ErrorCode } from "globalchannel";
    import { channelManagerConformance, type ConformanceCase } from "globalchannel/conformance";
    import { MysqlChannelManager, mysqlTables } from "globalchannel/mysql";
    import { redis } from "globalchannel/redis";
    import { SocketIoConnector } from "globalchannel/socket.io";
    import transom, { initialize, type TransomMessageClient, TransomSocketIo } from "globalchannel/transom";
    import { WebSocketConnector } from "globalchannel/websocket";
    import { Server } from "socket.io";

    export const code: ErrorCode = "GC_CLOSED";
    const manager = new MysqlChannelManager("mysql://localhost/game", { pollMs: 200 });
    export const clusters: Cluster[] = [memory(), redis("redis://localhost"), { ...memory(), manager }];
    export const tables: string = mysqlTables("game");
    export const service = new GlobalChannelService({ cluster: memory() });
    export const report = service.pushMessage("connector", "onChat", { text: "hi" }, "room");
    export const added: Promise<boolean> = service.add("room", "alice", "connector-1");
    export const cases: ConformanceCase<never>[] = channelManagerConformance();
    export const connector: object = new WebSocketConnector({ port: 0, authenticate: () => "alice" });
    interface Events { news: (msg: { text: string }) => void }
    const io = new Server<Events, Events, Record<string, never>, { uid: string }>();
    export const connectors: object[] = [
      new SocketIoConnector({ io, rooms: true }),
      new SocketIoConnector({ io: io.of("/game"), uid: (socket) => socket.id, acknowledge: (route) => route === "news" }),
    ];
    export const plugins: TransomSocketIo[] = [transom, new TransomSocketIo()];
    export const initialized: Promise<void> = initialize({ registry: new Map<string, unknown>() });
    export const emit = (client: TransomMessageClient) => client.emitToUsers([{ _id: 1 }], "news", {});
    export const opened: Promise<TransomMessageClient> = transom.initializeWithServer(undefined, io);

    // @ts-expect-error no such code
    export const noCode: ErrorCode = "GC_NONE";
    // @ts-expect-error a cluster is needed
    new GlobalChannelService({});
    // @ts-expect-error a number is no Redis
    redis(1);
    // @ts-expect-error no such option
    new MysqlChannelManager("mysql://localhost/game", { pollMS: 200 });
    // @ts-expect-error no such option
    new WebSocketConnector({ port: 0, authenticate: () => "alice", nonsense: true });
    // @ts-expect-error no such option
    new SocketIoConnector({ io, room: true });
    // @ts-expect-error no user
    export const emitWrong = (client: TransomMessageClient) => client.emitToUsers("ann", "news", {});
  `;

  t.is(await consumer.compile({ "esm.mts": source, "cjs.cts": source }), "");
});

test("types › the Pinus plugin is an IPlugin, and plugin options are checked", async (t) => {
  const frameworks = ["admin", "loader", "logger", "protobuf", "protocol", "rpc", "scheduler"].map(
    (part) => `pinus-${part}`,
  );
  const consumer = await makeConsumer(t, ["ioredis", "@ioredis/commands", "@types/node", "pinus", ...frameworks]);
  const source = `
    import type { Application, IPlugin } from "pinus";
    import globalChannel, { type GlobalChannelPluginOptions } from "globalchannel/pinus";
    import type { GlobalChannelPluginOptions as PomeloOptions } from "globalchannel/pomelo";

    export const plugin: IPlugin = globalChannel;
    export const use = (app: Application, options: GlobalChannelPluginOptions) => app.use(globalChannel, options);
    export const options: PomeloOptions = { host: "127.0.0.1", port: 6379, db: "0", transport: "redis" };

    // @ts-expect-error no such option
    export const unknown: PomeloOptions = { hosts: "127.0.0.1" };
  `;

  t.is(await consumer.compile({ "esm.mts": source }), "");
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
