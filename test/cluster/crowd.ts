import { Redis } from "ioredis";
import { chunks } from "../../src/batches.js";
import { Keys } from "../../src/redis/keys.js";
import type { Membership } from "../../src/types.js";
import type { NodeProcess } from "../support/process.js";
import type { BackendApi } from "./backend-process.js";
import { eventually, type Owner, type RunningCluster, type RunningFrontend } from "./cluster.js";

/** How many members are in a small channel. */
const PER_SMALL = 10;
/** How many memberships are made in one call. */
const BATCH = 10_000;
const PATIENCE_MS = 120_000;

const keys = new Keys("gc", 0);

/** Users with a session each, in turn at each of the frontends; all are in one large channel, and each in a small one. */
export class Crowd {
  readonly users: readonly { uid: string; sid: string }[];
  readonly large: string;
  readonly client: Redis;
  readonly #sids: readonly string[];

  /** @param name begins the names of its users and channels */
  constructor(
    owner: Owner,
    cluster: RunningCluster,
    { name, size, sids }: { name: string; size: number; sids: string[] },
  ) {
    this.client = new Redis(cluster.redis.url);
    // What it is for says what is wrong while Redis is away.
    this.client.on("error", () => {});
    owner.teardown(() => this.client.disconnect());
    this.#sids = sids;
    this.large = `${name}-large`;
    this.users = Array.from({ length: size }, (_, index) => ({
      uid: `${name}-${index}`,
      sid: sids[index % sids.length]!,
    }));
  }

  /** The small channel of a user, by its place among the users. */
  small(index: number): string {
    return `${this.large}-small-${Math.floor(index / PER_SMALL)}`;
  }

  get channels(): string[] {
    const places = this.users.flatMap((_, index) => (index % PER_SMALL === 0 ? [index] : []));
    return [this.large, ...places.map((index) => this.small(index))];
  }

  get memberships(): Membership[] {
    return this.users.flatMap((user, index) => [
      { ...user, name: this.large },
      { ...user, name: this.small(index) },
    ]);
  }

  /** Opens the sessions and makes the memberships; resolves when the store knows of all of them. */
  async enter(frontends: readonly RunningFrontend[], backend: NodeProcess<BackendApi>): Promise<void> {
    const there = frontends.filter(({ sid }) => this.#sids.includes(sid));
    for (const { sid, process } of there) {
      await process.call(
        "open",
        this.users.filter((user) => user.sid === sid).map(({ uid }) => uid),
      );
    }
    for (const some of chunks(this.memberships, BATCH)) await backend.call("addMany", some);
    await eventually(() => this.isThere(), PATIENCE_MS);
  }

  /** Whether the store has all the sessions, and all the memberships of the large channel: 1 small read for each frontend. */
  async isThere(): Promise<boolean> {
    let [sessions, members] = [0, 0];
    for (const sid of this.#sids) {
      sessions += await this.client.scard(keys.usersAt(sid));
      members += await this.client.scard(keys.members(this.large, sid));
    }
    return sessions >= this.users.length && members >= this.users.length;
  }

  /** Whether the store has nothing of a frontend any more: no lease, no members, no sessions. */
  async isForgotten(sid: string): Promise<boolean> {
    const leases = await this.client.hexists(keys.servers, sid);
    return leases + (await this.client.exists(keys.channelsAt(sid), keys.usersAt(sid))) === 0;
  }

  /** Whether the store has everything, each once, as a backend sees it. */
  async isComplete(backend: NodeProcess<BackendApi>): Promise<boolean> {
    if (!(await this.isThere())) return false;
    return (await backend.call("countAll", this.channels)) === 2 * this.users.length;
  }
}
