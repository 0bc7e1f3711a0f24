import { NodeProcess } from "../../support/process.js";
import { createApplicationFolder, removeApplicationFolder, type MasterEntry, type ServerEntry } from "./folder.js";
import type { FrameworkName } from "./framework.js";
import type { CallbackOutcome } from "./plugin-service.js";
import { freePorts } from "./ports.js";
import type { FrameworkServerApi, ServerProcessConfig } from "./server-process.js";
import type { Teardown } from "./teardown.js";

export interface FrameworkClusterOptions {
  framework: FrameworkName;
  /** A module specifier or path for `require`. @default none */
  plugin?: string | undefined;
  /** The options of the plugin, as JSON. @default none */
  options?: object;
  /** How many. @default 3 */
  connectors?: number;
  /** How many. @default 2 */
  backends?: number;
  /** The path of a module whose default export, `(options, app) => options`, may replace the options. @default none */
  setup?: string;
  /** How often clients are to send a heartbeat. @default 10 */
  heartbeatSeconds?: number;
}

const SERVER = new URL("server-process.ts", import.meta.url);
const HOST = "127.0.0.1";
const START_TIMEOUT_MS = 20_000;

/** One server; its process is another one after a restart. */
export class FrameworkServer {
  readonly sid: string;
  readonly #args: readonly string[];
  readonly #config: ServerProcessConfig;
  #process: NodeProcess<FrameworkServerApi> | undefined;
  #isRunning = false;
  #life = 0;

  constructor(sid: string, args: readonly string[], config: ServerProcessConfig) {
    this.sid = sid;
    this.#args = args;
    this.#config = config;
  }

  /** The process that runs, or has run last. */
  get process(): NodeProcess<FrameworkServerApi> {
    if (!this.#process) throw new Error(`${this.sid} was never started`);
    return this.#process;
  }

  /** How often it was started. Servers tell each other: it is one of their arguments. */
  get life(): number {
    return this.#life;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Resolves when it has started, which is before all others know of it. */
  async start(): Promise<void> {
    if (this.#isRunning) throw new Error(`${this.sid} runs`);
    const env = { FRAMEWORK_SERVER: JSON.stringify(this.#config), POMELO_LOGGER: "on" };
    const started = new NodeProcess<FrameworkServerApi>(SERVER, { args: [...this.#args, `life=${++this.#life}`], env });
    this.#process = started;
    this.#isRunning = true;
    void started.exited.then(() => {
      if (this.#process === started) this.#isRunning = false;
    });
    await started.ready;
    // One that hangs fails with its output.
    const timer = setTimeout(() => started.signal("SIGKILL"), START_TIMEOUT_MS);
    await started.call("start").finally(() => clearTimeout(timer));
  }

  /** Calls a method of the plugin's service there, and resolves what its promise does. */
  async ask<T>(method: string, ...args: unknown[]): Promise<T> {
    return (await this.process.call("callPromise", method, ...args)) as T;
  }

  /** Calls a method of the plugin's service there with a callback, and resolves what that got. */
  askWithCallback(method: string, ...args: unknown[]): Promise<CallbackOutcome> {
    return this.process.call("call", method, ...args);
  }

  /** Kills it (`SIGKILL`) and resolves when it is gone; others may take a moment to notice. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** Stops it gracefully, then ends its process. */
  async stop(): Promise<void> {
    await this.process.call("stop");
    await this.kill();
  }
}

/** One that clients connect to. */
export class FrameworkConnector extends FrameworkServer {
  readonly clientPort: number;

  constructor(clientPort: number, ...server: ConstructorParameters<typeof FrameworkServer>) {
    super(...server);
    this.clientPort = clientPort;
  }
}

/** A Pomelo or Pinus application of real processes, all of which end with `t`. */
export class FrameworkCluster {
  readonly master: FrameworkServer;
  readonly connectors: FrameworkConnector[];
  readonly backends: FrameworkServer[];

  constructor(master: FrameworkServer, connectors: FrameworkConnector[], backends: FrameworkServer[]) {
    this.master = master;
    this.connectors = connectors;
    this.backends = backends;
  }

  get servers(): FrameworkServer[] {
    return [this.master, ...this.connectors, ...this.backends];
  }

  server(sid: string): FrameworkServer {
    const found = this.servers.find((server) => server.sid === sid);
    if (!found) throw new Error(`there is no server ${sid}`);
    return found;
  }

  /** Starts one that does not run, with the ports that it had. Resolves when all know of each other. */
  async start(sid: string): Promise<void> {
    await this.server(sid).start();
    await this.settled();
  }

  /** Kills one if it runs, and starts it again. Resolves when all know of each other. */
  async restart(sid: string): Promise<void> {
    await this.server(sid).kill();
    await this.start(sid);
  }

  /** Resolves when every server that runs knows of those that run, as they are now, and of no other. */
  async settled(): Promise<void> {
    const running = this.servers.filter(({ isRunning }) => isRunning);
    // The frameworks do not list the master.
    const listed = running.filter((server) => server !== this.master);
    const expected = describe(listed.map(({ sid, life }) => [sid, life]));
    const giveUpAt = performance.now() + START_TIMEOUT_MS;
    for (const { sid, process } of running) {
      for (;;) {
        const known = describe(await process.call("getLives"));
        if (known === expected) break;
        if (performance.now() > giveUpAt) throw new Error(`${sid} knows ${known} instead of ${expected}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }
}

/** Starts a cluster; resolves when all its servers know of each other. */
export async function startFrameworkCluster(
  t: Teardown,
  {
    framework,
    plugin,
    options = {},
    connectors = 3,
    backends = 2,
    setup,
    heartbeatSeconds = 10,
  }: FrameworkClusterOptions,
): Promise<FrameworkCluster> {
  const ports = await freePorts(1 + 2 * connectors + backends);
  const master: MasterEntry = { id: "master", host: HOST, port: ports.pop()! };
  const connectorEntries = numbers(connectors).map((n): Required<ServerEntry> => {
    const [port, clientPort] = [ports.pop()!, ports.pop()!];
    return { id: `connector-${n}`, serverType: "connector", host: HOST, port, clientPort };
  });
  const backendEntries = numbers(backends).map((n): ServerEntry => {
    return { id: `chat-${n}`, serverType: "chat", host: HOST, port: ports.pop()! };
  });
  const base = await createApplicationFolder(framework, master, [...connectorEntries, ...backendEntries]);
  const config: ServerProcessConfig = { framework, base, heartbeatSeconds, plugin, options, setup };
  const cluster = new FrameworkCluster(
    // Alone: otherwise it starts the other servers itself, over ssh.
    new FrameworkServer(master.id, toArguments({ id: master.id, serverType: "master", mode: "stand-alone" }), config),
    connectorEntries.map(
      (entry) => new FrameworkConnector(entry.clientPort, entry.id, toArguments({ ...entry, frontend: true }), config),
    ),
    backendEntries.map((entry) => new FrameworkServer(entry.id, toArguments({ ...entry }), config)),
  );
  t.teardown(async () => {
    await Promise.all(cluster.servers.map((server) => server.kill()));
    await removeApplicationFolder(base);
  });
  // The others give up where there is no master.
  await cluster.master.start();
  await Promise.all([...cluster.connectors, ...cluster.backends].map((server) => server.start()));
  await cluster.settled();
  return cluster;
}

function toArguments(args: Record<string, string | number | boolean>): string[] {
  return Object.entries({ env: "production", ...args }).map(([key, value]) => `${key}=${value}`);
}

function describe(lives: [string, unknown][]): string {
  return lives
    .map(([sid, life]) => `${sid} (life ${String(life)})`)
    .toSorted()
    .join(", ");
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
