import { spawn, type ChildProcess, type SpawnOptions } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";

import { Client, type Message } from "../../examples/cluster/client.js";
import { GlobalChannelService } from "../../src/index.js";
import { redis } from "../../src/redis/index.js";
import { startRedis } from "../support/redis-server.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const MAIN = ["--import=tsx", "examples/cluster/main.ts"];

/** How long the output may take to come to a point. */
const PATIENCE_MS = 30_000;

// One after the other: each starts a cluster, which is not to be slowed down by the next.

test.serial(
  "npm start › shows who received what and who was lost, ends by itself, and leaves nothing running",
  async (t) => {
    const startedAt = performance.now();
    const demo = start(t, "npm", ["start"]);

    t.is(await demo.exitCode, 0, demo.output);

    t.true(performance.now() - startedAt < 30_000);
    t.regex(
      demo.output,
      /received by +alice, bob, carol, dave, erin\n +not by +frank\n +report +5 targeted = 5 delivered/,
    );
    t.regex(demo.output, /SIGKILL[^]*report +5 targeted = 3 delivered \+ .*\n +failIds +carol, dave\n +connector-2 /);
    t.regex(demo.output, /leave event +lobby: dave at connector-2 \(server-down\)\n +lobby +4 members/);
    t.is(demo.pids.length, 4);
    t.deepEqual(await demo.leftovers(), []);
  },
);

test.serial(
  "npm start › uses the Redis at REDIS_URL, and leaves in it what was there before and nothing else",
  async (t) => {
    const { env, client } = await redisWithData(t);
    const demo = start(t, process.execPath, MAIN, { env });
    await demo.says("5. SIGKILL");
    const during = await client.keys("*");

    t.is(await demo.exitCode, 0, demo.output);

    t.deepEqual([...new Set(during.map((key) => key.replace(/^gc-demo-[0-9a-f]{8}:.*/, "gc-demo")))].toSorted(), [
      "gc-demo",
      "mine",
    ]);
    t.deepEqual(await client.keys("*"), ["mine"]);
    t.is(await client.get("mine"), "value");
  },
);

// One that redis-memory-server has built is found wherever PATH leads.
const isBuilt = existsSync(`${ROOT}/node_modules/.cache/redis-memory-server/stable/redis-server`);

(isBuilt ? test.serial.skip : test.serial)(
  "npm start › runs in one process where no Redis can be had, and says so",
  async (t) => {
    const demo = start(t, process.execPath, MAIN, { env: { PATH: "/nonexistent" } });

    t.is(await demo.exitCode, 0, demo.output);

    t.regex(demo.output, /No Redis: all servers run in this process/);
    t.regex(demo.output, /nothing can be killed/);
    t.regex(demo.output, /report +3 targeted = 3 delivered/);
    t.regex(demo.output, /All as expected/);
  },
);

test.serial("npm start › fails if the Redis at REDIS_URL cannot be reached", async (t) => {
  const demo = start(t, process.execPath, MAIN, { env: { REDIS_URL: "redis://127.0.0.1:1" } });

  t.is(await demo.exitCode, 1);

  t.regex(demo.output, /Failed: Redis cannot be reached.*ECONNREFUSED/);
});

test.serial("npm start › fails if a user receives what is not for them, and cleans up", async (t) => {
  const { env, client } = await redisWithData(t);
  const demo = start(t, process.execPath, MAIN, { env });
  await demo.says("6. Carol");
  const [prefix = ""] = /gc-demo-\w+/.exec(demo.output) ?? [];
  const stranger = new GlobalChannelService({ cluster: redis(env.REDIS_URL, { prefix }) });
  await stranger.start();
  t.teardown(() => stranger.stop());

  await stranger.pushToUsers("connector", "onChat", { text: "not for frank" }, ["frank"]);

  t.is(await demo.exitCode, 1, demo.output);
  t.regex(demo.output, /Failed: what frank received: .*not for frank/);
  t.deepEqual(await demo.leftovers(), []);
  t.deepEqual(await client.keys("*"), ["mine"]);
});

test.serial("npm start › fails if a server dies that should not, and cleans up", async (t) => {
  const { env, client } = await redisWithData(t);
  const demo = start(t, process.execPath, MAIN, { env });
  await demo.says("6. Carol");
  const [pid] = /(?<=connector-3 .*pid )\d+/.exec(demo.output)!;

  process.kill(Number(pid), "SIGKILL");

  t.is(await demo.exitCode, 1, demo.output);
  t.regex(demo.output, new RegExp(`Failed: connector-3 \\(pid ${pid}\\) has died`));
  t.deepEqual(await demo.leftovers(), []);
  t.deepEqual(await client.keys("*"), ["mine"]);
});

for (const [signal, point] of [
  ["SIGINT", "Redis:"],
  ["SIGINT", "2. The backend adds"],
  ["SIGTERM", "6. Carol"],
] as const) {
  test.serial(`npm start › cleans up when ${signal} comes to all its processes, after "${point}"`, async (t) => {
    const { env, client } = await redisWithData(t);
    const demo = start(t, process.execPath, MAIN, { env, detached: true });
    await demo.says(point);

    process.kill(-demo.child.pid!, signal);

    t.is(await demo.exitCode, signal === "SIGINT" ? 130 : 143, demo.output);
    t.notRegex(demo.output, /Failed/);
    t.deepEqual(await demo.leftovers(), []);
    t.deepEqual(await client.keys("*"), ["mine"]);
  });
}

test.serial("npm start › its servers die with it if it is killed", async (t) => {
  const demo = start(t, process.execPath, MAIN);
  await demo.says("2. The backend adds");

  demo.child.kill("SIGKILL");

  const deadline = Date.now() + 10_000;
  while ((await demo.leftovers()).length > 0 && Date.now() < deadline) await sleep(50);
  t.deepEqual(await demo.leftovers(), []);
});

for (const [args, message] of [
  [["--nonsense"], "Unknown option '--nonsense'"],
  [["nonsense"], "Unexpected argument 'nonsense'"],
  [["--stay", "--port=http"], "--port is http; it must be 0 to 65535"],
  [["--port=8080"], "--port goes with --stay"],
] as const) {
  test.serial(`npm start -- ${args.join(" ")} › is refused with exit code 2`, async (t) => {
    const demo = start(t, process.execPath, [...MAIN, ...args]);

    t.is(await demo.exitCode, 2);

    t.true(demo.output.includes(message), demo.output);
  });
}

test.serial("npm start -- --help › says what there is", async (t) => {
  const demo = start(t, process.execPath, [...MAIN, "--help"]);

  t.is(await demo.exitCode, 0);

  for (const word of ["--stay", "--port", "--memory", "REDIS_URL"]) t.true(demo.output.includes(word), word);
});

test.serial("npm start -- --stay › serves a page, joins, leaves and pushes as clients ask, until SIGINT", async (t) => {
  const demo = start(t, process.execPath, [...MAIN, "--stay", "--port=0"]);
  const [url] = await demo.says(/http:\S+/);
  const page = await fetch(url!);
  const frontends = (await (await fetch(`${url}/frontends`)).json()) as [sid: string, url: string][];
  const urls = new Map(frontends);

  t.regex(await page.text(), /<title>globalchannel<\/title>/);
  t.is((await fetch(`${url}/nonsense`)).status, 404);
  t.deepEqual([...urls.keys()].toSorted(), ["connector-1", "connector-2", "connector-3"]);
  await checkClients(t, urls);
  demo.child.kill("SIGINT");
  t.is(await demo.exitCode, 0, demo.output);
  t.deepEqual(await demo.leftovers(), []);
  await t.throwsAsync(fetch(url!));
});

test.serial("npm start -- --stay --memory › does the same in one process", async (t) => {
  const demo = start(t, process.execPath, [...MAIN, "--stay", "--port=0", "--memory"]);
  const [url] = await demo.says(/http:\S+/);

  await checkClients(t, new Map((await (await fetch(`${url}/frontends`)).json()) as [string, string][]));
  demo.child.kill("SIGTERM");

  t.is(await demo.exitCode, 0, demo.output);
});

test.serial("npm start -- --stay › fails at once if its port is taken", async (t) => {
  const first = start(t, process.execPath, [...MAIN, "--stay", "--port=0", "--memory"]);
  const [url] = await first.says(/http:\S+/);
  const second = start(t, process.execPath, [...MAIN, "--stay", `--port=${new URL(url!).port}`]);

  t.is(await second.exitCode, 1);

  t.regex(second.output, /Failed: .*EADDRINUSE.*; choose another with --port/);
});

/** Two users at two frontends do all that a client can ask for. */
async function checkClients(t: ExecutionContext, urls: ReadonlyMap<string, string>): Promise<void> {
  const gina = await openClient(t, "gina", urls.get("connector-1")!);
  const hugo = await openClient(t, "hugo", urls.get("connector-2")!);

  hugo.send({ route: "join", msg: { channel: "lobby" } });
  await hugo.receivedBefore({ route: "onChannels", msg: { channels: ["lobby"] } });
  gina.send({ route: "push", msg: { channel: "lobby", text: "hi" } });
  const counts = { targeted: 1, delivered: 1, failed: 0, unknown: 0 };
  const report = { ...counts, failIds: [], unlisted: 0, frontends: [{ sid: "connector-2", ...counts }] };
  t.deepEqual(await gina.receivedBefore({ route: "onReport", msg: { channel: "lobby", report } }), []);
  await hugo.receivedBefore({ route: "onChat", msg: { channel: "lobby", from: "gina", text: "hi" } });

  gina.send({ route: "join", msg: { channel: "lobby" } });
  await hugo.receivedBefore(comes("onJoin", "gina", "connector-1", "join"));
  hugo.send({ route: "leave", msg: { channel: "lobby" } });
  await hugo.receivedBefore({ route: "onChannels", msg: { channels: [] } });
  await gina.receivedBefore(comes("onLeave", "hugo", "connector-2", "leave"));

  for (const [route, msg, error] of [
    ["join", null, "channel must be a text of 1 to 200 characters"],
    ["leave", { channel: "x".repeat(201) }, "channel must be a text of 1 to 200 characters"],
    ["push", { channel: "lobby", text: 1 }, "text must be a text of 1 to 200 characters"],
    ["nonsense", { channel: "lobby" }, "there are the routes join, leave and push"],
  ] as const) {
    hugo.send({ route, msg });
    await hugo.receivedBefore({ route: "onError", msg: { request: route, error } });
  }

  hugo.send({ route: "join", msg: { channel: "lobby" } });
  await gina.receivedBefore(comes("onJoin", "hugo", "connector-2", "join"));
  hugo.close();
  await gina.receivedBefore(comes("onLeave", "hugo", "connector-2", "disconnect"));
}

function comes(route: "onJoin" | "onLeave", uid: string, sid: string, reason: string): Message {
  return { route, msg: { channel: "lobby", uid, sid, reason } };
}

async function openClient(t: ExecutionContext, uid: string, url: string): Promise<Client> {
  const client = await Client.connect(uid, url);
  t.teardown(() => client.close());
  return client;
}

/** A Redis that holds a key of somebody else. */
async function redisWithData(t: ExecutionContext) {
  const server = await startRedis();
  t.teardown(() => server.stop());
  const client = new Redis(server.url);
  t.teardown(() => client.disconnect());
  await client.set("mine", "value");
  return { env: { REDIS_URL: server.url }, client };
}

/** Runs the demo in a process; unless `env` says otherwise, without REDIS_URL. */
function start(t: ExecutionContext, program: string, args: readonly string[], options: SpawnOptions = {}): Demo {
  const { REDIS_URL: _, ...env } = process.env;
  const child = spawn(program, args, {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    ...options,
    env: { ...env, ...options.env },
  });
  t.teardown(() => child.kill("SIGKILL"));
  return new Demo(child);
}

class Demo {
  readonly child: ChildProcess;
  /** Null if it was killed. */
  readonly exitCode: Promise<number | null>;
  output = "";

  constructor(child: ChildProcess) {
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8").on("data", (text: string) => (this.output += text));
    }
    // "close" comes when nobody can write to its output any more: its children neither.
    this.exitCode = once(child, "close").then(([code]) => code as number | null);
  }

  /** Waits until it has written this. */
  async says(what: string | RegExp): Promise<string[]> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const found = typeof what === "string" ? this.output.includes(what) && [what] : what.exec(this.output);
      if (found) return [...found];
      if (this.child.exitCode !== null || Date.now() > deadline) throw new Error(`no ${what} in ${this.output}`);
      await sleep(20);
    }
  }

  /** The processes that it has told of. */
  get pids(): number[] {
    return [...new Set(this.output.match(/(?<=\bpid )\d+/g))].map(Number);
  }

  /** Those of its processes that still run, and its Redis, if that still listens and was not given. */
  async leftovers(): Promise<unknown[]> {
    const running: unknown[] = this.pids.filter(isRunning);
    const [port] = /(?<= at 127\.0\.0\.1:)\d+/.exec(this.output) ?? [];
    if (!this.output.includes("REDIS_URL") && port && (await isListening(Number(port)))) running.push("Redis");
    return running;
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("error", () => resolve(false)).once("connect", () => socket.destroy() && resolve(true));
  });
}
