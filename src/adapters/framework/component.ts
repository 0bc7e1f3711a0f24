import { setTimeout as sleep } from "node:timers/promises";
import { reportError } from "../../diagnostics.js";
import { GlobalChannelError } from "../../errors.js";
import { Frontend } from "../../frontend/frontend.js";
import { withCallback, type Callback } from "../../service/callback.js";
import { GlobalChannelService } from "../../service/service.js";
import type { Cluster } from "../../types.js";
import type { Application } from "./application.js";
import { clean, cleanUp } from "./clean-up.js";
import { createCluster, type RemoteTransport } from "./cluster.js";
import { FrameworkConnector } from "./connector.js";
import { resolvePluginOptions, type GlobalChannelPluginOptions } from "./options.js";
import { ApplicationRegistry } from "./registry.js";

/** How long stopping may take, in milliseconds: the frameworks end the process 3 s after `app.stop`. */
const MAX_STOP_MS = 2000;

/** What the frameworks know of a component. */
export interface FrameworkComponent {
  readonly name: string;
  start(callback: Callback<void>): void;
  afterStart(callback: Callback<void>): void;
  stop(force: boolean, callback: Callback<void>): void;
}

/** What differs between the frameworks. */
export interface FrameworkParts {
  /** Where plugins can bring remotes. */
  remoteTransport?: RemoteTransport;
  /** Makes the framework's RPC send at once. */
  setNoDelay?: (app: Application) => void;
}

/**
 * The plugin's component: `app.get("globalChannelService")` on every server, and on frontends what delivers pushes to their
 * clients. On the master, and on servers of other types than `serverTypes`, it does nothing.
 *
 * Lifecycle methods call back exactly once, with an error if what they do failed.
 */
export class GlobalChannelComponent implements FrameworkComponent {
  readonly name = "__globalChannel__";
  readonly #app: Application;
  readonly #parts: FrameworkParts;
  readonly #running: Running | undefined;

  /** @throws `GC_INVALID_OPTION` */
  constructor(app: Application, given: GlobalChannelPluginOptions, parts: FrameworkParts) {
    if (app.components.__globalChannel__) {
      throw new GlobalChannelError("GC_INVALID_OPTION", "globalChannel is used twice by this application");
    }
    this.#app = app;
    this.#parts = parts;
    const options = resolvePluginOptions(given);
    const { serverTypes, timeoutMs, autoLeave, leaseMs, graceMs, leaveDelayMs } = options;
    if (app.isMaster() || (serverTypes && !serverTypes.includes(app.getServerType()))) return;

    const cluster = createCluster(app, options, given, parts.remoteTransport);
    const service = new GlobalChannelService({ cluster, timeoutMs, autoLeave, graceMs, leaveDelayMs });
    let frontend: Frontend | undefined;
    if (app.isFrontend() && servesFrontends(cluster)) {
      frontend = new Frontend({
        sid: String(app.getServerId()),
        stype: app.getServerType(),
        cluster,
        connector: new FrameworkConnector(app),
        leaseMs,
        autoLeave,
      });
      // The master tells every server of it.
      app.getCurServer().globalChannel = { incarnation: frontend.incarnation };
    }
    this.#running = { cluster, service, frontend, options };
    app.set("globalChannelService", service, true);
  }

  start(callback: Callback<void>): void {
    void withCallback(this.#start(), callback);
  }

  /** All components have started, the master has told of the other servers, and RPC is about to begin. */
  afterStart(callback: Callback<void>): void {
    void withCallback(this.#afterStart(), callback);
  }

  stop(force: boolean, callback: Callback<void>): void {
    void withCallback(this.#stop(force), callback);
  }

  async #start(): Promise<void> {
    if (!this.#running) return;
    const { cluster, service, frontend, options } = this.#running;
    await service.start();
    try {
      if (options.cleanOnStartUp) await clean(cluster);
      await frontend?.start();
    } catch (error) {
      await service.stop(true);
      throw error;
    }
  }

  async #afterStart(): Promise<void> {
    if (!this.#running) return;
    const { cluster, options } = this.#running;
    if (cluster.registry instanceof ApplicationRegistry) cluster.registry.markInformed();
    if (options.cleanOnStartUp) await cleanUp(cluster);
    if (options.rpcNoDelay) this.#parts.setNoDelay?.(this.#app);
  }

  async #stop(force: boolean): Promise<void> {
    if (!this.#running) return;
    const { service, frontend } = this.#running;
    // The service is stopped also where the frontend could not leave cleanly.
    const left = frontend?.stop().catch((error: unknown) => reportError(this, error));
    const stopped = Promise.resolve(left).then(() => service.stop(force));
    // Where others do not answer, the components that stop after this one need what is left of the framework's time.
    await Promise.race([stopped, sleep(MAX_STOP_MS, undefined, { ref: false })]);
  }
}

interface Running {
  cluster: Cluster;
  service: GlobalChannelService;
  frontend: Frontend | undefined;
  options: ReturnType<typeof resolvePluginOptions>;
}

/** Whether a frontend has anything to do: members to watch over, or requests to answer. */
function servesFrontends({ manager, transport }: Cluster): boolean {
  return !transport.limits?.uidsOnly || !!manager.capabilities?.versions || !!manager.capabilities?.eviction;
}
