// The examples in the original's README as they stand there, in an application that `node app.js` runs.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { startRedis } from "../../support/redis-server.js";
import { eventually } from "../cluster.js";
import { checkBuilt } from "./built.js";
import { createApplicationFolder, removeApplicationFolder } from "./folder.js";
import { FrameworkClient } from "./framework-client.js";
import { freePorts } from "./ports.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const DOCUMENTED = fileURLToPath(new URL("documented/", import.meta.url));
const ORIGINAL = dirname(createRequire(import.meta.url).resolve("pomelo-globalchannel-plugin"));
const HOST = "127.0.0.1";
const START_TIMEOUT_MS = 20_000;

/** Each in the only code block of the README that has these words. */
const EXAMPLES = [
  { title: "the example for Redis", words: "db: '0'" },
  { title: "the example for a manager of one's own", words: "channelManager: mysqlGlobalChannelManager" },
];

test.before(checkBuilt);

for (const { title, words } of EXAMPLES) {
  for (const plugin of ["pomelo-globalchannel-plugin", "globalchannel/pomelo"]) {
    test.serial(`${title}, with require('${plugin}'), pushes to a client`, async (t) => {
      const usage = replaceOnce(await codeBlock(words), "pomelo-globalchannel-plugin", plugin);
      const connector = await startApplication(t, usage);
      const client = await eventually(() => FrameworkClient.connect(t, "alice", connector), START_TIMEOUT_MS);

      // The connector is told of the backend a moment after it has started; until then its answer is an error.
      const answer = await eventually(async () => {
        const { failIds } = (await client.request("chat.chatHandler.say", { text: "hello" })) as { failIds?: unknown };
        return failIds;
      }, START_TIMEOUT_MS);

      t.deepEqual(answer, []);
      await eventually(() => client.of("chat").length > 0, 5000);
      t.deepEqual(client.of("chat"), [{ text: "hello" }]);
    });
  }
}

async function codeBlock(words: string): Promise<string> {
  const readme = await readFile(join(ORIGINAL, "README.md"), "utf8");
  const blocks = readme.split("```").filter((text, index) => index % 2 === 1 && text.includes(words));
  if (blocks.length !== 1) throw new Error(`${blocks.length} code blocks have the words ${words}`);
  return blocks[0]!;
}

/** Starts an application of a master, a connector and a backend, all of which use the plugin as `usage` has it. */
async function startApplication(t: ExecutionContext, usage: string): Promise<{ sid: string; clientPort: number }> {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const [masterPort, connectorPort, clientPort, chatPort] = (await freePorts(4)) as [number, number, number, number];
  const master = { id: "master", host: HOST, port: masterPort };
  const connector = {
    id: "connector-1",
    serverType: "connector",
    host: HOST,
    port: connectorPort,
    clientPort,
  } as const;
  const chat = { id: "chat-1", serverType: "chat", host: HOST, port: chatPort } as const;
  const base = await createApplicationFolder("pomelo", master, [connector, chat]);
  t.teardown(() => removeApplicationFolder(base));
  await cp(DOCUMENTED, base, { recursive: true });
  await writeFile(join(base, "app.js"), application(replaceOnce(usage, "port: 6379", `port: ${redis.port}`)));
  // As npm installs them, or links them.
  await mkdir(join(base, "node_modules"));
  for (const name of ["pomelo", "pomelo-globalchannel-plugin"]) {
    await symlink(join(ROOT, "node_modules", name), join(base, "node_modules", name));
  }
  await symlink(ROOT, join(base, "node_modules/globalchannel"));

  startServer(t, base, ["id=master", "serverType=master", "mode=stand-alone"]);
  await eventually(() => isListening(masterPort), START_TIMEOUT_MS);
  for (const server of [{ ...connector, frontend: true }, chat]) {
    startServer(
      t,
      base,
      Object.entries(server).map(([key, value]) => `${key}=${value}`),
    );
  }
  return { sid: connector.id, clientPort };
}

function application(usage: string): string {
  return `
var pomelo = require('pomelo');
var app = pomelo.createApp();
app.configure('production', 'connector', function() {
  app.set('connectorConfig', { connector: pomelo.connectors.hybridconnector });
});

${usage}
app.start();
`;
}

/** Ends with the test; what it writes is told if the test fails. */
function startServer(t: ExecutionContext, base: string, args: readonly string[]): void {
  const child = spawn(process.execPath, ["app.js", "env=production", ...args], {
    cwd: base,
    env: { ...process.env, NODE_OPTIONS: `--require ${join(base, "die-with-parent.js")}`, POMELO_LOGGER: "on" },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const exited = once(child, "exit");
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream!.setEncoding("utf8").on("data", (text: string) => (output += text));
  }
  t.teardown(async () => {
    child.kill("SIGKILL");
    await exited;
    if (!t.passed) t.log(args[0], output);
  });
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, HOST);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

function replaceOnce(text: string, what: string, by: string): string {
  const parts = text.split(what);
  if (parts.length !== 2) throw new Error(`${JSON.stringify(what)} is there ${parts.length - 1} times, in\n${text}`);
  return parts.join(by);
}
