import { SharedReads } from "../shared-reads.js";
import type { RedisConnection } from "./connection.js";
import { listLeases } from "./leases.js";

/** For how long leases that were read are known, in milliseconds. */
const KNOWN_MS = 100;

/** All leases are read together. */
const ALL = "all";

interface KnownLease {
  stype: string;
  /** Until when it lasts at least, on the clock of this process. */
  until: number;
}

/**
 * Which frontends are alive. In a cluster the leases are at one server, which is not asked for each push: what was read is used for
 * {@link KNOWN_MS}, but only where everyone who is asked for was alive then, and its lease has not ended since; who has
 * started meanwhile is not overlooked.
 */
export class LiveFrontends {
  readonly #connection: RedisConnection;
  #leases: ReadonlyMap<string, KnownLease> = new Map();
  #readAt = -Infinity;
  /** Those who wait for the leases wait together: as long as a dead frontend has members, each push to these does. */
  readonly #reads = new SharedReads(() => this.#read());

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  /** Reads the leases, unless they are known. */
  async know(): Promise<void> {
    if (performance.now() - this.#readAt < KNOWN_MS) return;
    // Where the leases cannot be read, what is known of them may do.
    await this.#reads.read(ALL).catch(() => {});
  }

  /** Those of some frontends that are alive and of a type. */
  async ofType(stype: string, sids: readonly string[]): Promise<string[]> {
    if (!sids.every((sid) => this.#isAlive(sid))) await this.#reads.read(ALL);
    return sids.filter((sid) => this.#isAlive(sid) && this.#leases.get(sid)?.stype === stype);
  }

  #isAlive(sid: string): boolean {
    return performance.now() < (this.#leases.get(sid)?.until ?? -Infinity);
  }

  async #read(): Promise<void> {
    const askedAt = performance.now();
    const leases = await listLeases(this.#connection, "live");
    // A later one may have been answered before.
    if (askedAt < this.#readAt) return;
    this.#leases = new Map(leases.map(({ sid, stype, msLeft }) => [sid, { stype, until: askedAt + msLeft }]));
    this.#readAt = askedAt;
  }
}
