import { GlobalChannelError } from "../../errors.js";
import type { Awaitable, FrontendId, FrontendInfo, LeaseState, ServerRegistry } from "../../types.js";
import type { Application } from "./application.js";

const SERVER_EVENTS = ["add_servers", "remove_servers", "replace_servers"] as const;

/**
 * Which frontends are alive is what the master has told the application: every server knows of a death within milliseconds,
 * and asking costs nothing. Frontends that use this plugin hold leases besides, where there is a store for them, so that
 * their members are not removed when only the master has lost them.
 */
export class ApplicationRegistry implements ServerRegistry {
  readonly #app: Application;
  readonly #leases: ServerRegistry | undefined;
  #isInformed = false;
  /** What the application said last; undefined where it has been told something new since. */
  #frontends: FrontendInfo[] | undefined;

  constructor(app: Application, leases?: ServerRegistry) {
    this.#app = app;
    this.#leases = leases;
  }

  async start(): Promise<void> {
    for (const event of SERVER_EVENTS) this.#app.event.on(event, this.#changed);
    await this.#leases?.start?.();
  }

  async stop(force?: boolean): Promise<void> {
    for (const event of SERVER_EVENTS) this.#app.event.off(event, this.#changed);
    await this.#leases?.stop?.(force);
  }

  /** The application has been told of its servers: before that, none of them being there says nothing. */
  informed(): void {
    this.#changed();
    this.#isInformed = true;
  }

  /** Whether all frontends of the application use this plugin. */
  get isPluginEverywhere(): boolean {
    return this.#all().every(({ incarnation }) => incarnation !== "");
  }

  async register(frontend: FrontendInfo, leaseMs: number): Promise<void> {
    await this.#leases?.register(frontend, leaseMs);
  }

  renew(frontend: FrontendInfo, leaseMs: number): Awaitable<LeaseState> {
    return this.#leases?.renew(frontend, leaseMs) ?? "held";
  }

  unregister(frontend: FrontendId): Awaitable<boolean> {
    return this.#leases?.unregister(frontend) ?? true;
  }

  forget(frontend: FrontendId): Awaitable<boolean> {
    return this.#leases?.forget(frontend) ?? true;
  }

  /** @throws `GC_NOT_STARTED` before the application has been told of its servers */
  list(): FrontendInfo[] {
    if (!this.#isInformed) {
      throw new GlobalChannelError("GC_NOT_STARTED", "the application has not been told of its servers yet", {
        temporary: true,
      });
    }
    return this.#all();
  }

  readonly #changed = (): void => {
    this.#frontends = undefined;
  };

  #all(): FrontendInfo[] {
    this.#frontends ??= Object.values(this.#app.getServers())
      .filter((server) => this.#app.isFrontend(server))
      .map(({ id, serverType, host, port, globalChannel }) => ({
        sid: String(id),
        stype: serverType,
        incarnation: globalChannel?.incarnation ?? "",
        holder: `${host}:${port}`,
      }));
    return this.#frontends;
  }

  listDead(graceMs: number): Awaitable<FrontendInfo[]> {
    return this.#leases?.listDead(graceMs) ?? [];
  }
}
