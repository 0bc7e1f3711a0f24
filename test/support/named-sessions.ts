import { setImmediate as pause } from "node:timers/promises";
import { chunks } from "../../src/batches.js";
import type { ClientMessage, Connector, ConnectorHost } from "../../src/index.js";

/** How many sessions open in one go: leases have to be renewed in between. */
const BATCH = 1000;

/** Sessions that are nothing but a name, for more users than a machine has sockets. What they get is forgotten. */
export class NamedSessions implements Connector {
  readonly #uids = new Set<string>();
  #host: ConnectorHost | undefined;

  start(host: ConnectorHost): void {
    this.#host = host;
  }

  stop(): void {
    for (const uid of this.#uids) this.#host!.closed(uid);
    this.#uids.clear();
  }

  /** Opens a session for each of these users. The store may be told later. */
  async open(uids: readonly string[]): Promise<void> {
    for (const some of chunks(uids, BATCH)) {
      for (const uid of some) {
        this.#uids.add(uid);
        this.#host!.opened(uid);
      }
      await pause();
    }
  }

  deliver(uids: ReadonlySet<string>): readonly string[] {
    return [...uids].filter((uid) => !this.#uids.has(uid));
  }

  deliverToAll(_message: ClientMessage, except: ReadonlySet<string>): number {
    return [...this.#uids].filter((uid) => !except.has(uid)).length;
  }
}
