// Applications that `node app.js` runs, written as a README has it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdir, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";
import { startRedis } from "../../support/redis-server.js";
import { eventually } from "../cluster.js";
import { createApplicationFolder, removeApplicationFolder } from "./folder.js";
import { FrameworkClient, type ConnectorAddress } from "./framework-client.js";
import type { FrameworkName } from "./framework.js";
import { freePorts } from "./ports.js";

export interface DocumentedApplication {
  framework: FrameworkName;
  /** The code that has the application use the plugin, with a Redis at port 6379: another port takes its place. */
  usage: string;
  /** What Pomelo's chat handler does with `app`, `uid`, `sid` and `next`. @default what the one in `documented/` does */
  say?: string;
  /** Whether there is no Redis, and none in the code. @default false */
  isWithoutRedis?: boolean;
}

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const DOCUMENTED = fileURLToPath(new URL("documented/", import.meta.url));
const HOST = "127.0.0.1";
const START_TIMEOUT_MS = 20_000;

/** What `node_modules` of an application has besides this package, and where that is. */
const PACKAGES = {
  pomelo: () =>
    ["pomelo", "pomelo-globalchannel-plugin"].map((name) => [name, join(ROOT, "node_modules", name)] as const),
  pinus: () => [["pinus", join(ROOT, "node_modules/pinus")] as const, ["reflect-metadata", reflectMetadata()] as const],
};

/** How each framework's `app.js` begins. */
const BEGINNINGS = {
  pomelo: `
var pomelo = require('pomelo');
var app = pomelo.createApp();
app.configure('production', 'connector', function() {
  app.set('connectorConfig', { connector: pomelo.connectors.hybridconnector });
});
`,
  pinus: `
require('reflect-metadata');
const { pinus } = require('pinus');
const app = pinus.createApp();
app.configure('production', 'connector', () => {
  app.set('connectorConfig', { connector: pinus.connectors.hybridconnector });
});
`,
};

/** Starts an application of a master, a connector and a backend, all of which use the plugin. They end with the test. */
export async function startApplication(
  t: ExecutionContext,
  { framework, usage, say, isWithoutRedis = false }: DocumentedApplication,
): Promise<ConnectorAddress> {
  const used = isWithoutRedis ? usage : await useRedis(t, usage);
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
  const base = await createApplicationFolder(framework, master, [connector, chat]);
  t.teardown(() => removeApplicationFolder(base));
  await cp(DOCUMENTED, base, { recursive: true });
  await writeFile(join(base, "app.js"), `${BEGINNINGS[framework]}\n${used}\napp.start();\n`);
  if (say !== undefined) await writeFile(join(base, "app/servers/chat/handler/chatHandler.js"), chatHandler(say));
  // As npm installs them, or links them.
  await mkdir(join(base, "node_modules"));
  for (const [name, path] of [...PACKAGES[framework](), ["globalchannel", ROOT] as const]) {
    await symlink(path, join(base, "node_modules", name));
  }

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

/** A client says "hello" in the chat. Resolves what it is answered, and what it is pushed with this route. */
export async function sayHello(
  t: ExecutionContext,
  connector: ConnectorAddress,
  route: string,
): Promise<{ answer: unknown; pushes: unknown[] }> {
  const client = await eventually(() => FrameworkClient.connect(t, "alice", connector), START_TIMEOUT_MS);
  // The connector is told of the backend a moment after it has started; until then its answer is an error.
  const answer = await eventually(async () => {
    const answered = (await client.request("chat.chatHandler.say", { text: "hello" })) as { failIds?: unknown };
    return answered.failIds && answered;
  }, START_TIMEOUT_MS);
  await eventually(() => client.of(route).length > 0, 5000);
  return { answer, pushes: client.of(route) };
}

/** The code with the port of a Redis of the test's own. */
async function useRedis(t: ExecutionContext, usage: string): Promise<string> {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  return replaceOnce(usage, "port: 6379", `port: ${redis.port}`);
}

export function replaceOnce(text: string, what: string, by: string): string {
  const parts = text.split(what);
  if (parts.length !== 2) throw new Error(`${JSON.stringify(what)} is there ${parts.length - 1} times, in\n${text}`);
  return parts.join(by);
}

function chatHandler(say: string): string {
  return `
module.exports = (app) => ({
  say(_msg, { uid, frontendId: sid }, next) {
${say}
  },
});
`;
}

/** Pinus has it, and leaves it to the application to load it. */
function reflectMetadata(): string {
  const requireOfPinus = createRequire(createRequire(import.meta.url).resolve("pinus"));
  return dirname(createRequire(requireOfPinus.resolve("pinus-loader")).resolve("reflect-metadata"));
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
