import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify, stripVTControlCharacters } from "node:util";
import test, { type ExecutionContext } from "ava";
import { WebSocket } from "ws";
import { CAPABILITY_METHODS } from "../src/capabilities.js";
import { PART_METHODS } from "../src/options.js";
import { checkBuilt } from "./cluster/frameworks/built.js";
import { replaceOnce, sayHello, startApplication } from "./cluster/frameworks/documented-application.js";
import { freePorts } from "./cluster/frameworks/ports.js";
import { mysqlTest, useMysql } from "./support/mysql-tests.js";
import { startRedis } from "./support/redis-server.js";

// Every code block of README runs here, as it stands but for the imports, which lead to src, or, where a framework loads files
// by path, to dist.

const root = fileURLToPath(new URL("..", import.meta.url));
const readme = await readFile(join(root, "README.md"), "utf8");
const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as {
  scripts: Record<string, string>;
  exports: Record<string, unknown>;
  peerDependencies: Record<string, string>;
};

const SOURCES: Record<string, string> = {
  globalchannel: "src/index.ts",
  "globalchannel/redis": "src/redis/index.ts",
  "globalchannel/mysql": "src/managers/mysql/index.ts",
  "globalchannel/websocket": "src/connectors/websocket/connector.ts",
  "globalchannel/socket.io": "src/connectors/socket-io/index.ts",
  "globalchannel/sse": "src/connectors/sse/connector.ts",
  "globalchannel/pomelo": "dist/cjs/pomelo/index.js",
  "globalchannel/pinus": "dist/cjs/pinus/index.js",
  "globalchannel/transom": "src/adapters/transom/index.ts",
  "globalchannel/koa-signal": "src/adapters/koa-signal/index.ts",
  "globalchannel/snapper": "src/adapters/snapper/index.ts",
  "globalchannel/conformance": "src/conformance/index.ts",
};

const blocks = [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, code]) => ({
  language: language!,
  code: code!,
  file: /^\/\/ file: (\S+)$/m.exec(code!)?.[1],
  prints: [...code!.matchAll(/^\/\/ prints: (.*)$/gm)].map(([, line]) => line!),
}));
const scripts = blocks.filter(({ language }) => language === "js");
const [frontendBlock, backendBlock, clusterBlock, managerBlock] = [
  "frontend.mjs",
  "backend.mjs",
  "cluster.mjs",
  "my-manager.mjs",
].map((name) => scripts.find(({ file }) => file === name)!);
/** Parts of applications. */
const [pomeloBlock, handlerBlock, pinusBlock, pomeloMysqlBlock] = [
  "// pomelo: app.js",
  "// pomelo: app/servers/chat/handler/chatHandler.js",
  "// pinus: app.js",
  "// pomelo: app.js, with MySQL",
].map((firstLine) => scripts.find(({ code }) => code.startsWith(`${firstLine}\n`))!);
/** The conformance suite in the test runners. */
const runnerBlocks = scripts.filter(({ file }) => file === "my-manager.test.mjs");
const together = new Set([
  ...[frontendBlock, backendBlock, clusterBlock, managerBlock],
  ...[pomeloBlock, handlerBlock, pinusBlock, pomeloMysqlBlock, ...runnerBlocks],
]);

const mysql = useMysql();

/** Writes blocks into a folder of their own within the project, so that they find its packages. */
async function write(t: ExecutionContext, ...written: typeof blocks): Promise<string[]> {
  const folder = await mkdtemp(join(root, "node_modules", ".readme-"));
  t.teardown(() => rm(folder, { recursive: true }));
  return Promise.all(
    written.map(async ({ code, file = "block.mjs" }) => {
      const path = join(folder, file);
      const local = code.replaceAll(
        /(from |require\()"(globalchannel[^"]*)"/g,
        (_match, before: string, specifier: string) => {
          return `${before}${JSON.stringify(join(root, SOURCES[specifier] ?? t.fail(`README imports ${specifier}`)))}`;
        },
      );
      await writeFile(path, local);
      return path;
    }),
  );
}

function start(t: ExecutionContext, args: string[], env: NodeJS.ProcessEnv): ChildProcess & { text: string } {
  const child = Object.assign(
    spawn(process.execPath, ["--import=tsx", ...args], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    }),
    { text: "" },
  );
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (child.text += String(data)));
  t.teardown(() => child.kill("SIGKILL"));
  return child;
}

async function ended(t: ExecutionContext, child: ChildProcess & { text: string }): Promise<void> {
  if (child.exitCode === null) await once(child, "exit");
  t.is(child.exitCode, 0, child.text);
}

test("README begins with its two commands, before line 10, and its first example by line 25", (t) => {
  const lines = readme.split("\n");
  t.true(lines.findIndex((line) => line.startsWith("npm ci && npm start")) < 10);
  t.true(lines.findIndex((line) => line.startsWith("npm ci && npm test")) < 10);
  t.true(lines.findIndex((line) => line.startsWith("import ")) < 25);
});

test("every shell block names scripts and packages that there are", (t) => {
  const commands = blocks.filter(({ language }) => language === "sh").flatMap(({ code }) => code.trim().split("\n"));
  const installed: string[] = [];
  for (const command of commands.flatMap((line) => line.replace(/\s+#.*/, "").split(" && "))) {
    const [, verb, ...names] = command.split(" ");
    if (verb === "install") {
      installed.push(...names);
    } else if (verb !== "ci") {
      const script = verb === "run" ? names[0]! : verb!;
      t.truthy(manifest.scripts[script], command);
    }
  }
  t.deepEqual(installed.toSorted(), ["globalchannel", ...Object.keys(manifest.peerDependencies)].toSorted());
});

test("the imports of README are the exports of the package", (t) => {
  t.deepEqual(
    Object.keys(SOURCES).map((specifier) => specifier.replace("globalchannel", ".")),
    Object.keys(manifest.exports).filter((path) => path !== "./package.json"),
  );
});

for (const block of scripts.filter((script) => !together.has(script))) {
  const title = block.file ?? block.code.split("\n").find((line) => line.trim() !== "")!;
  test(`the block «${title}» runs and prints what it says`, async (t) => {
    const [path] = await write(t, block);

    const { stdout } = await promisify(execFile)(process.execPath, ["--import=tsx", path!], { cwd: root });

    if (block.prints.length > 0) t.deepEqual(stdout.trim().split("\n"), block.prints);
    else t.pass();
  });
}

test("the blocks frontend.mjs and backend.mjs work together on a Redis", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const env = { REDIS_URL: redis.url };
  const [frontendFile, backendFile] = await write(t, frontendBlock!, backendBlock!);

  await pushToAlice(t, frontendFile!, backendFile!, env);
});

mysqlTest("with the block cluster.mjs they work together on a Redis and a MySQL", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const database = await mysql.createDatabase();
  t.teardown(() => database.drop());
  const env = { REDIS_URL: redis.url, MYSQL_URL: database.url };
  const given = 'redis(process.env.REDIS_URL ?? "redis://127.0.0.1:6379")';
  const imported = 'import { cluster } from "./cluster.mjs";\n';
  const [frontendFile, backendFile] = await write(
    t,
    { ...frontendBlock!, code: replaceOnce(frontendBlock!.code, `const cluster = ${given};\n`, imported) },
    { ...backendBlock!, code: imported + replaceOnce(backendBlock!.code, `cluster: ${given}`, "cluster") },
    clusterBlock!,
  );

  await pushToAlice(t, frontendFile!, backendFile!, env);

  const members = await database.query("SELECT members FROM gc_sets");
  t.deepEqual(members, [], "the frontend that has stopped has taken its members out");
  t.true((await database.query("SELECT 1 FROM gc_changes")).length > 0, "they were in MySQL");
});

/** A client at the frontend joins and is pushed to by the backend. */
async function pushToAlice(
  t: ExecutionContext,
  frontendFile: string,
  backendFile: string,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const [port] = await freePorts(1);
  const frontend = start(t, [frontendFile, "connector-1", String(port)], env);
  while (!frontend.text.includes("connector-1 is live")) await once(frontend.stdout!, "data");
  const alice = new WebSocket(`ws://127.0.0.1:${port}/?user=alice`);
  t.teardown(() => alice.terminate());
  await once(alice, "open");
  const message = once(alice, "message");

  alice.send('{"route":"join","msg":"guild-7"}');
  // Nothing tells a client that it has joined, so the backend is run until it has.
  let backend;
  do {
    backend = start(t, [backendFile], env);
    await ended(t, backend);
  } while (backend.text.includes("targeted: 0"));

  t.is(backend.text.trim(), "{ targeted: 1, delivered: 1, failed: 0, unknown: 0 }");
  t.is(String((await message)[0]), '{"route":"chat","msg":{"text":"hi"}}');
  frontend.kill("SIGTERM");
  await ended(t, frontend);
}

test("a client that does not say who it is, is refused by frontend.mjs with 4401", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const [file] = await write(t, frontendBlock!);
  const [port] = await freePorts(1);
  const frontend = start(t, [file!, "connector-1", String(port)], { REDIS_URL: redis.url });
  while (!frontend.text.includes("is live")) await once(frontend.stdout!, "data");

  const nobody = new WebSocket(`ws://127.0.0.1:${port}/`);
  const [code] = (await once(nobody, "close")) as [number];

  t.is(code, 4401);
});

test("the blocks for Pomelo push to a client of an application that has them", async (t) => {
  await checkBuilt();
  const connector = await startApplication(t, {
    framework: "pomelo",
    usage: pomeloBlock!.code,
    say: handlerBlock!.code,
  });

  const { answer, pushes } = await sayHello(t, connector, "onChat");

  t.deepEqual(answer, { failIds: [] });
  t.deepEqual(pushes, [{ text: "hello" }]);
});

/** Whoever connects to a Redis where the plugin would look for one gets an error. */
const NO_REDIS = `
const { Socket } = require("node:net");
const { inspect } = require("node:util");
const { connect } = Socket.prototype;
Socket.prototype.connect = function(...args) {
  if (/port: .?6379/.test(inspect(args, { depth: 3 }))) throw new Error("a connection to a Redis");
  return connect.apply(this, args);
};
`;

mysqlTest("the block for Pomelo with MySQL pushes to a client, without a Redis", async (t) => {
  await checkBuilt();
  const database = await mysql.createDatabase();
  t.teardown(() => database.drop());
  const usage = replaceOnce(pomeloMysqlBlock!.code, "mysql://root@127.0.0.1:3306/game", database.url);
  const connector = await startApplication(t, {
    framework: "pomelo",
    usage: NO_REDIS + usage,
    say: handlerBlock!.code,
    isWithoutRedis: true,
  });

  const { answer, pushes } = await sayHello(t, connector, "onChat");

  t.deepEqual(answer, { failIds: [] });
  t.deepEqual(pushes, [{ text: "hello" }]);
  t.deepEqual(await database.query("SELECT CAST(name AS CHAR) AS name, members FROM gc_sets"), [
    { name: "guild-7", members: 1 },
  ]);
});

test("the block for Pinus has a backend push to a client", async (t) => {
  await checkBuilt();
  const connector = await startApplication(t, { framework: "pinus", usage: pinusBlock!.code });

  const { answer, pushes } = await sayHello(t, connector, "chat");

  t.deepEqual(answer, { failIds: [] });
  t.deepEqual(pushes, [{ text: "hello" }]);
});

test("the table of the manager's contract has each method, with its capability", (t) => {
  const rows = [...readme.matchAll(/^\| (`.*) \| .* \| (.*) \| .*\|$/gm)].map(([, members, needed]) => ({
    members: [...members!.matchAll(/`(\w+)\(/g)].map(([, name]) => name!),
    needed: needed!,
  }));
  const expected = [
    ...PART_METHODS.manager.map((method) => [method, "yes"] as const),
    ...(["start", "stop", "clean"] as const).map((method) => [method, "no"] as const),
    ...Object.entries(CAPABILITY_METHODS).flatMap(([capability, methods]) =>
      methods.map((method) => [method, `\`${capability}\``] as const),
    ),
  ];

  const documented = rows.flatMap(({ members, needed }) => members.map((member) => [member, needed] as const));
  for (const row of expected)
    t.true(
      documented.some((other) => other.join() === row.join()),
      row.join(),
    );
});

test("the block my-manager.mjs has 60 lines at most", (t) => {
  t.true(managerBlock!.code.trimEnd().split("\n").length <= 60);
});

/** How each runner runs `my-manager.test.mjs`: the tests of one method. */
const RUNNERS = {
  ava: (method: string) => ["ava/entrypoints/cli.mjs", "--timeout=1m", `--match=${method} › *`],
  "node:test": (method: string) => ["--test", `--test-name-pattern=^${method} ›`, "my-manager.test.mjs"],
  vitest: (method: string) => ["vitest/vitest.mjs", "run", "-t", `^${method} ›`],
};

for (const [runner, argsFor] of Object.entries(RUNNERS)) {
  mysqlTest(`the block for ${runner} passes my-manager.mjs, and fails one whose leave does nothing`, async (t) => {
    await checkBuilt();
    const block = runnerBlocks.find(({ code }) => code.includes(` from "${runner}";`))!;
    const folder = await writeProject(t, block);
    const database = await mysql.createDatabase();
    t.teardown(() => database.drop());
    const runTests = (method: string) => runNode(folder, argsFor(method), { MYSQL_URL: database.url });

    const { code, text } = await runTests("leave");
    t.is(code, 0, text);
    t.regex(text, /\b4\b.*pass|pass.*\b4\b/, text);

    const leaves = /async leave\(name, uid, sid\) \{.*\}/.exec(managerBlock!.code)![0];
    const broken = replaceOnce(managerBlock!.code, leaves, "async leave() { return true; }");
    await writeFile(join(folder, managerBlock!.file!), broken);
    const failed = await runTests("leave");
    t.not(failed.code, 0, failed.text);
    t.regex(failed.text, /leave › resolves true, takes out that member and nobody else/);
    t.regex(failed.text, /ERR_ASSERTION|AssertionError/);
  });
}

/** A project that has installed the package, with the manager and a test of it. Not in `node_modules`, where nobody seeks tests. */
async function writeProject(t: ExecutionContext, testBlock: (typeof blocks)[number]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "globalchannel-readme-"));
  t.teardown(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  for (const { file, code } of [managerBlock!, testBlock]) await writeFile(join(folder, file!), code);
  await mkdir(join(folder, "node_modules"));
  await symlink(root, join(folder, "node_modules", "globalchannel"));
  for (const name of ["ava", "mysql2", "vitest"]) {
    await symlink(join(root, "node_modules", name), join(folder, "node_modules", name));
  }
  return folder;
}

/** Runs a program of `node_modules`, or Node.js itself, to its end. */
async function runNode(
  folder: string,
  [program, ...args]: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ code: number | null; text: string }> {
  const first = program!.startsWith("-") ? program! : join(folder, "node_modules", program!);
  const child = spawn(process.execPath, [first, ...args], {
    cwd: folder,
    env: { ...process.env, NODE_OPTIONS: "", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (data: string) => (text += data));
  }
  const [code] = (await once(child, "close")) as [number | null];
  return { code, text: stripVTControlCharacters(text) };
}
