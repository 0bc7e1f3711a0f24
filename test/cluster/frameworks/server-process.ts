// A server of a Pomelo or Pinus application: the master, a connector or a backend, as its arguments say.
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { serveParent } from "../../support/process.js";
import { burst, type BurstOptions, type BurstOutcome } from "./burst.js";
import { loadFramework, type Application, type FrameworkName } from "./framework.js";
import { callForPromise, callWithCallback, type CallbackOutcome, type PluginService } from "./plugin-service.js";

/** What the environment variable `FRAMEWORK_SERVER` holds; all other servers get to know what is in the arguments. */
export interface ServerProcessConfig {
  framework: FrameworkName;
  /** The folder of the application. */
  base: string;
  /** How often clients are to send a heartbeat. */
  heartbeatSeconds: number;
  /** A module specifier or path for `require`. */
  plugin?: string | undefined;
  options: object;
  /** The path of a module, TypeScript or not, whose default export is a {@link Setup}. */
  setup?: string | undefined;
}

/** May replace the options of the plugin, e.g. by ones that are no JSON. */
export type Setup = (options: object, app: Application) => object | Promise<object>;

export type FrameworkServerApi = typeof api;

const config = JSON.parse(process.env["FRAMEWORK_SERVER"]!) as ServerProcessConfig;
const framework = loadFramework(config.framework);
const app = framework.createApp({ base: config.base });

/** Resolves when the last component has stopped. */
let stopped: Promise<void>;

const leaves: string[] = [];

const api = {
  /** Resolves once the server has started: the master knows it, and other servers can call it. */
  async start(): Promise<{ id: string; pid: number }> {
    configure();
    await usePlugin();
    await new Promise<void>((resolve, reject) => {
      app.start((error) => (error ? reject(error) : resolve()));
    });
    stopped = new Promise((resolve) => {
      // Components stop in the order in which they were loaded.
      app.load({ name: "stopWatcher", stop: (_force, done) => (resolve(), done()) });
    });
    return { id: app.getServerId(), pid: process.pid };
  },
  /** Stops gracefully: resolves when all components have stopped. The frameworks end the process if that takes 3 s. */
  async stop(): Promise<void> {
    app.stop(false);
    await stopped;
  },
  /** Calls a method of the plugin's service with a callback. */
  call: (method: string, ...args: unknown[]): Promise<CallbackOutcome> => callWithCallback(service(), method, args),
  /** Calls a method of the plugin's service that returns a promise. */
  callPromise: (method: string, ...args: unknown[]): Promise<unknown> => callForPromise(service(), method, args),
  /** From now on {@link getLeaves} tells whose `leave` events came, in order. */
  watchLeaves: (): void => void service()["on"]!("leave", ({ uid }: { uid: string }) => leaves.push(uid)),
  getLeaves: (): string[] => leaves,
  burst: (options: BurstOptions): Promise<BurstOutcome> => burst(service(), options),
  /** The ids of the servers that this one knows of. */
  getServers: (): string[] => Object.keys(app.getServers()),
  /** Which life of each of those servers it knows of: one that was started again has another. */
  getLives: (): [string, unknown][] => Object.values(app.getServers()).map(({ id, life }) => [id, life]),
  /**
   * What a restarted master tells a server that comes back before these: a list without them. After a while it tells of them
   * again, one by one.
   */
  async comeBackBefore(sids: string[], afterMs: number): Promise<void> {
    const servers = Object.entries(app.getServers());
    app.replaceServers(Object.fromEntries(servers.filter(([sid]) => !sids.includes(sid))));
    await sleep(afterMs);
    for (const [sid, server] of servers) if (sids.includes(sid)) app.addServers([server]);
  },
  /** Pushes as the framework does, without any plugin. */
  async pushByUids(route: string, msg: unknown, members: { uid: string; sid: string }[]): Promise<void> {
    const channels = app.get("channelService") as ChannelService;
    await new Promise<void>((resolve, reject) => {
      channels.pushMessageByUids(route, msg, members, {}, (error) => (error ? reject(error) : resolve()));
    });
  },
};

interface ChannelService {
  pushMessageByUids(
    route: string,
    msg: unknown,
    members: { uid: string; sid: string }[],
    options: object,
    done: (error?: Error | null) => void,
  ): void;
}

// Nobody else removes the folder if the parent is killed; one server is enough, and the master is always there.
process.once("disconnect", () => app.isMaster() && rmSync(config.base, { recursive: true, force: true }));
serveParent(api);

function configure(): void {
  if (app.isFrontend()) {
    const { hybridconnector: connector } = framework.connectors;
    app.set("connectorConfig", { connector, heartbeat: config.heartbeatSeconds });
  }
  // What the frameworks do by default looks for files next to `require.main`, which is undefined in an ES module.
  app.set("adminAuthServerMonitor", (_message: unknown, _env: string, give: (token: string) => void) => give("token"));
  app.set("masterConfig", {
    authServer: (_message: unknown, _env: string, answer: (verdict: "ok" | "bad") => void) => answer("ok"),
  });
}

async function usePlugin(): Promise<void> {
  let { options } = config;
  if (config.setup !== undefined) {
    const { default: setup } = (await import(pathToFileURL(config.setup).href)) as { default: Setup };
    options = await setup(options, app);
  }
  if (config.plugin !== undefined) framework.use(app, config.plugin, options);
}

function service(): PluginService {
  const found = app.get("globalChannelService") as PluginService | undefined;
  if (!found) throw new Error("this server has no globalChannelService");
  return found;
}
