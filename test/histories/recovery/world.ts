import { uidOfQuery } from "../../connectors/websocket-support.js";
import { WebSocketConnector } from "../../../src/connectors/websocket/connector.js";
import { type Cluster, Frontend, GlobalChannelService } from "../../../src/index.js";
import { type Settings, STYPE } from "./settings.js";
import type { Store } from "./stores.js";

/** How long it takes until a frontend that was cut off is taken for dead, in milliseconds. */
const LEASE_MS = 1500;
const SERVICES = 3;

/** The servers of a run: services and frontends on one store, and what is done to them. */
export class World {
  readonly services: readonly GlobalChannelService[];
  readonly store: Store;
  readonly #frontends = new Map<string, { frontend: Frontend; connector: WebSocketConnector } | undefined>();

  constructor(store: Store, { frontends }: Settings) {
    this.store = store;
    this.services = Array.from(
      { length: SERVICES },
      (_, n) => new GlobalChannelService({ cluster: store.cluster(`service-${n}`) }),
    );
    for (let n = 1; n <= frontends; n++) this.#frontends.set(`s${n}`, undefined);
  }

  get sids(): readonly string[] {
    return [...this.#frontends.keys()];
  }

  /** Where a frontend listens; undefined: it does not now. */
  portOf(sid: string): number | undefined {
    return this.#frontends.get(sid)?.connector.address().port;
  }

  async start(): Promise<void> {
    await Promise.all([
      ...this.services.map((service) => service.start()),
      ...this.sids.map((sid) => this.#startFrontend(sid)),
    ]);
  }

  /** What fails is tried again: its store may be away. */
  async restartFrontend(sid: string): Promise<void> {
    const running = this.#frontends.get(sid);
    this.#frontends.set(sid, undefined);
    await running?.frontend.stop().catch(() => {});
    for (;;) {
      try {
        await this.#startFrontend(sid);
        return;
      } catch {
        // Its lease may have to end first.
      }
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#frontends.values()].map((running) => running?.frontend.stop().catch(() => {})));
    await Promise.all(this.services.map((service) => service.stop(true).catch(() => {})));
    await this.store.stop();
  }

  async #startFrontend(sid: string): Promise<void> {
    const connector = new WebSocketConnector({ port: 0, host: "127.0.0.1", authenticate: uidOfQuery });
    const cluster: Cluster = this.store.cluster(sid);
    const frontend = new Frontend({ sid, stype: STYPE, cluster, connector, leaseMs: LEASE_MS });
    await frontend.start();
    this.#frontends.set(sid, { frontend, connector });
  }
}
