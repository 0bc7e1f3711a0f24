import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import { WebSocket } from "ws";
import { checkBuilt } from "./cluster/frameworks/built.js";
import { sayHello, startApplication } from "./cluster/frameworks/documented-application.js";
import { freePorts } from "./cluster/frameworks/ports.js";
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
  "globalchannel/websocket": "src/connectors/websocket.ts",
  "globalchannel/pomelo": "dist/cjs/pomelo/index.js",
  "globalchannel/pinus": "dist/cjs/pinus/index.js",
  "globalchannel/conformance": "src/conformance/index.ts",
};

const blocks = [...readme.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language, code]) => ({
  language: language!,
  code: code!,
  file: /^\/\/ file: (\S+)$/m.exec(code!)?.[1],
  prints: [...code!.matchAll(/^\/\/ prints: (.*)$/gm)].map(([, line]) => line!),
}));
const scripts = blocks.filter(({ language }) => language === "js");
const [frontendBlock, backendBlock] = ["frontend.mjs", "backend.mjs"].map((name) =>
  scripts.find(({ file }) => file === name)!,
);
/** Parts of applications. */
const [pomeloBlock, handlerBlock, pinusBlock] = [
  "// pomelo: app.js",
  "// pomelo: app/servers/chat/handler/chatHandler.js",
  "// pinus: app.js",
].map((firstLine) => scripts.find(({ code }) => code.startsWith(`${firstLine}\n`))!);
const together = new Set([frontendBlock, backendBlock, pomeloBlock, handlerBlock, pinusBlock]);

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
  for (const command of commands.flatMap((line) => line.replace(/\s+#.*/, "").split(" && "))) {
    const [, verb, ...names] = command.split(" ");
    if (verb === "install") {
      t.deepEqual(names, ["globalchannel", ...Object.keys(manifest.peerDependencies)], command);
    } else if (verb !== "ci") {
      const script = verb === "run" ? names[0]! : verb!;
      t.truthy(manifest.scripts[script], command);
    }
  }
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
  const [port] = await freePorts(1);
  const frontend = start(t, [frontendFile!, "connector-1", String(port)], env);
  while (!frontend.text.includes("connector-1 is live")) await once(frontend.stdout!, "data");
  const alice = new WebSocket(`ws://127.0.0.1:${port}/?user=alice`);
  t.teardown(() => alice.terminate());
  await once(alice, "open");
  const message = once(alice, "message");

  alice.send('{"route":"join","msg":"guild-7"}');
  // Nothing tells a client that it has joined, so the backend is run until it has.
  let backend;
  do {
    backend = start(t, [backendFile!], env);
    await ended(t, backend);
  } while (backend.text.includes("targeted: 0"));

  t.is(backend.text.trim(), "{ targeted: 1, delivered: 1, failed: 0, unknown: 0 }");
  t.is(String((await message)[0]), '{"route":"chat","msg":{"text":"hi"}}');
  frontend.kill("SIGTERM");
  await ended(t, frontend);
});

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

test("the block for Pinus has a backend push to a client", async (t) => {
  await checkBuilt();
  const connector = await startApplication(t, { framework: "pinus", usage: pinusBlock!.code });

  const { answer, pushes } = await sayHello(t, connector, "chat");

  t.deepEqual(answer, { failIds: [] });
  t.deepEqual(pushes, [{ text: "hello" }]);
});
