// `npm start`: a real cluster on this machine. demo.ts is the story that it tells, frontend.ts and backend.ts show how the
// library is used.
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";

import { Cleanup } from "./cleanup.js";
import { runDemo, SIDS, type Servers } from "./demo.js";
import { inThisProcess, openLauncher, type Launcher } from "./launcher.js";
import { openPage, type Page } from "./page.js";

const HELP = `npm start              a cluster of 4 processes: who gets what, also when one is killed (takes 6 seconds)
npm start -- --stay    the same, and then a page to try it in a browser

  --port <number>      with --stay: the page's port; 0 is any free one (default: 8080)
  --memory             use no Redis; all servers run in one process
  --help               print this

It uses the Redis at REDIS_URL if that is set, under a prefix of its own, and cleans up. Otherwise it starts one, which it
installs if need be.`;

/** How long the demo may take. */
const DEMO_TIMEOUT_MS = 25_000;
/** How long after a failure the death that caused it may be noticed. */
const NOTICE_MS = 2000;

interface Options {
  stay: boolean;
  port: number;
  memory: boolean;
}

const cleanup = new Cleanup();
let interruptedBy: NodeJS.Signals | undefined;
/** Whether it goes on until a signal comes, so that one is no failure. */
let staying = false;

process.exitCode = await Promise.race([interruption(), main()]);
await cleanup.run();
// Something may still be under way that is no longer of use, such as the installation of a Redis.
if (interruptedBy) process.exit();

/** Resolves to the exit code when a signal comes. */
function interruption(): Promise<number> {
  return new Promise((resolve) => {
    const interrupt = (signal: NodeJS.Signals): void => {
      interruptedBy = signal;
      resolve(staying ? 0 : 128 + constants.signals[signal]);
    };
    // Not `once`: npm passes Ctrl-C on, so that it may come twice.
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, interrupt);
    // Nobody reads on: `npm start | head`.
    process.stdout.on("error", () => interrupt("SIGPIPE"));
  });
}

async function main(): Promise<number> {
  let options: Options | undefined;
  try {
    options = readOptions();
  } catch (error) {
    console.error(`${(error as Error).message}\nSee npm start -- --help`);
    return 2;
  }
  try {
    if (options) await run(options);
    else console.log(HELP);
    return 0;
  } catch (error) {
    if (!interruptedBy) console.error(`\nFailed: ${(error as Error).message}`);
    return 1;
  }
}

/** Undefined if help is asked for. @throws if the arguments are wrong */
function readOptions(): Options | undefined {
  const { values } = parseArgs({
    options: {
      stay: { type: "boolean", default: false },
      port: { type: "string" },
      memory: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  const { stay, port = "8080", memory, help } = values;
  if (help) return undefined;
  if (values.port !== undefined && !stay) throw new Error("--port goes with --stay");
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) throw new Error(`--port is ${port}; it must be 0 to 65535`);
  return { stay, port: Number(port), memory };
}

async function run({ stay, port, memory }: Options): Promise<void> {
  const page = stay ? await openPage(port, cleanup) : undefined;
  const launcher = memory ? inThisProcess(console.log, cleanup) : await openLauncher(console.log, cleanup);

  const startedAt = performance.now();
  const servers = await startServers(launcher);
  const death = anyDeath(servers);
  const story = runDemo(servers, cleanup).catch(async (error: unknown) => {
    // A server's clients may notice its death first; then it is the death that has to be told.
    await Promise.race([death, sleep(NOTICE_MS, undefined, { ref: false })]);
    throw error;
  });
  await Promise.race([story, death, timeout()]);
  console.log(`\nAll as expected, in ${((performance.now() - startedAt) / 1000).toFixed(1)} s.`);
  if (!page) return;

  servers.frontends.set("connector-2", await launcher.startFrontend("connector-2"));
  await servers.backend.call("announce");
  await stayWith(servers, page);
}

async function startServers(launcher: Launcher): Promise<Servers> {
  const [backend, ...frontends] = await Promise.all([
    launcher.startBackend(),
    ...SIDS.map(async (sid) => [sid, await launcher.startFrontend(sid)] as const),
  ]);
  return { separate: launcher.separate, backend, frontends: new Map(frontends) };
}

/** Rejects when a server dies that the demo does not kill. */
function anyDeath({ backend, frontends }: Servers): Promise<never> {
  const servers = [["the backend", backend] as const, ...frontends];
  return Promise.race(
    servers.map(async ([name, { died, place }]) => {
      const output = await died;
      throw new Error(`${name} (${place}) has died. ${output}`);
    }),
  );
}

async function timeout(): Promise<never> {
  await sleep(DEMO_TIMEOUT_MS, undefined, { ref: false });
  throw new Error(`it has taken more than ${DEMO_TIMEOUT_MS / 1000} s`);
}

/** Serves the page until the backend dies. A frontend may be killed by hand, to see what happens. */
async function stayWith({ backend, frontends, separate }: Servers, page: Page): Promise<void> {
  const urls = new Map<string, string>();
  for (const [sid, { call, died }] of frontends) {
    urls.set(sid, await call("url"));
    void died.then(() => {
      urls.delete(sid);
      if (!interruptedBy) console.log(`${sid} has died.`);
    });
  }
  page.show(urls);
  staying = true;
  const places = Array.from(frontends, ([sid, { place }]) => `${sid} ${place}`).join(", ");
  console.log(`\nThe cluster stays: ${places}`);
  console.log(`Open ${page.url} in two tabs, join a channel and push. Ctrl-C ends it.`);
  if (separate) console.log("Kill a frontend with `kill -9 <pid>`, and see what the next push reports and who leaves.");
  throw new Error(`the backend has died. ${await backend.died}`);
}
