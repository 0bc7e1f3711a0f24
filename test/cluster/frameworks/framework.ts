import { createRequire } from "node:module";

export type FrameworkName = "pomelo" | "pinus";

/** What the harness uses of an application; Pomelo's and Pinus' are the same so far. */
export interface Application {
  get(setting: string): unknown;
  set(setting: string, value: unknown): void;
  use(plugin: unknown, options: unknown): void;
  load(component: Component): unknown;
  start(done: (error?: Error) => void): void;
  stop(force: boolean): void;
  isFrontend(): boolean;
  isMaster(): boolean;
  getServerId(): string;
  getCurServer(): ServerInfo;
  replaceServers(servers: Record<string, ServerInfo>): void;
  addServers(servers: ServerInfo[]): void;
  getServers(): Record<string, ServerInfo>;
  /** Only there once the application has started. */
  rpcInvoke(
    sid: string,
    message: { namespace: "sys" | "user"; service: string; method: string; args: unknown[] },
    done: (error: Error | null, result?: unknown) => void,
  ): void;
}

/** The arguments that a server was started with, and what else it has written there before it started. */
export interface ServerInfo {
  id: string;
  serverType: string;
  [property: string]: unknown;
}

export interface Component {
  name: string;
  stop(force: boolean, done: () => void): void;
}

interface Framework {
  createApp(options: { base: string }): Application;
  connectors: { hybridconnector: unknown };
}

const require = createRequire(import.meta.url);

/** The framework itself, and how it takes a plugin and its options. */
export function loadFramework(name: FrameworkName): Framework & {
  use(app: Application, plugin: string, options: object): void;
} {
  switch (name) {
    case "pomelo": {
      const framework = require("pomelo") as Framework;
      return {
        createApp: framework.createApp,
        connectors: framework.connectors,
        // Each component gets the options under its name.
        use: (app, plugin, options) => app.use(require(plugin), { globalChannel: options }),
      };
    }
    case "pinus": {
      // Pinus asks `Reflect` for decorators without loading what puts them there: an application has to.
      const requireOfPinus = createRequire(require.resolve("pinus"));
      createRequire(requireOfPinus.resolve("pinus-loader"))("reflect-metadata");
      const { pinus } = require("pinus") as { pinus: Framework };
      return {
        createApp: (options) => pinus.createApp(options),
        connectors: pinus.connectors,
        // Each component gets the options whole.
        use: (app, plugin, options) => app.use(defaultOf(require(plugin)), options),
      };
    }
  }
}

function defaultOf(module: unknown): unknown {
  return (module as { default?: unknown }).default ?? module;
}
