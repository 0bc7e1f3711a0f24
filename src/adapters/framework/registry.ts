import { GlobalChannelError } from "../../errors.js";
import type { Awaitable, FrontendId, FrontendInfo, LeaseState, ServerRegistry } from "../../types.js";
import type { Application } from "./application.js";

/** How long servers may take to come back to a master that was restarted, in milliseconds: they try more and more seldom. */
const RETURN_MS = 120_000;

/**
 * Which frontends are alive is what the master has told the application: every server knows within milliseconds that a process
 * has ended, and asking costs nothing. Frontends that use this plugin hold leases besides, where there is a store for them, so
 * that their members are not removed when only the master has lost them.
 */
export class ApplicationRegistry implements ServerRegistry {
  readonly #app: Application;
  readonly #leases: ServerRegistry | undefined;
  #isInformed = false;
  /** What the application has been told last. */
  #listed: FrontendInfo[] = [];
  /** Frontends that a restarted master does not know yet: it gives each server a list of those that have come back so far. */
  readonly #missing = new Map<string, { frontend: FrontendInfo; until: number }>();

  constructor(app: Application, leases?: ServerRegistry) {
    this.#app = app;
    this.#leases = leases;
  }

  async start(): Promise<void> {
    await this.#leases?.start?.();
    this.#app.event.on("add_servers", this.#changed);
    this.#app.event.on("remove_servers", this.#removed);
    this.#app.event.on("replace_servers", this.#replaced);
  }

  async stop(force?: boolean): Promise<void> {
    this.#app.event.off("add_servers", this.#changed);
    this.#app.event.off("remove_servers", this.#removed);
    this.#app.event.off("replace_servers", this.#replaced);
    await this.#leases?.stop?.(force);
  }

  /** Notes that the application has been told of its servers: before that, none of them being there says nothing. */
  markInformed(): void {
    this.#changed();
    this.#isInformed = true;
  }

  /** Whether all frontends of the application use this plugin. */
  get isPluginEverywhere(): boolean {
    return this.#frontends().every(({ incarnation }) => incarnation !== "");
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
  async list(): Promise<FrontendInfo[]> {
    if (!this.#isInformed) {
      throw new GlobalChannelError("GC_NOT_STARTED", "the application has not been told of its servers yet", {
        temporary: true,
      });
    }
    return this.#frontends();
  }

  listDead(graceMs: number): Awaitable<FrontendInfo[]> {
    return this.#leases?.listDead(graceMs) ?? [];
  }

  readonly #changed = (): void => {
    this.#listed = this.#list();
  };

  readonly #removed = (ids: readonly (string | number)[]): void => {
    for (const id of ids) this.#missing.delete(String(id));
    this.#changed();
  };

  /** Pushes to those who are missing fail, because the framework cannot reach them; but they and their members are not gone. */
  readonly #replaced = (): void => {
    const until = performance.now() + RETURN_MS;
    for (const frontend of this.#listed) this.#missing.set(frontend.sid, { frontend, until });
    this.#changed();
  };

  #frontends(): FrontendInfo[] {
    // Those who are missing are not for ever.
    if (this.#missing.size > 0) this.#changed();
    return this.#listed;
  }

  #list(): FrontendInfo[] {
    const listed = Object.values(this.#app.getServers())
      .filter((server) => this.#app.isFrontend(server))
      .map(({ id, serverType, host, port, globalChannel }) => ({
        sid: String(id),
        stype: serverType,
        incarnation: globalChannel?.incarnation ?? "",
        holder: `${host}:${port}`,
      }));
    const now = performance.now();
    for (const { sid } of listed) this.#missing.delete(sid);
    for (const [sid, { until }] of this.#missing) if (until <= now) this.#missing.delete(sid);
    return [...listed, ...[...this.#missing.values()].map(({ frontend }) => frontend)];
  }
}
