import { randomBytes } from "node:crypto";
import { sidInUse } from "../../errors.js";
import type { RedisConnection } from "../../redis/connection.js";
import { escape } from "../../redis/keys.js";
import { type LeaseFilter, listLeases, parseDescription } from "../../redis/leases.js";
import type { Script } from "../../redis/script.js";
import type { FrontendId, FrontendInfo, LeaseState, ServerRegistry } from "../../types.js";
import * as scripts from "./scripts.js";

/** Keeps leases in Redis, on the clock of Redis. See {@link ServerRegistry}. */
export class RedisServerRegistry implements ServerRegistry {
  readonly #connection: RedisConnection;
  /** Of each incarnation that is renewed here, the term of its lease that was last heard of. */
  readonly #terms = new Map<string, string>();

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  start(): Promise<void> {
    return this.#connection.open();
  }

  stop(): Promise<void> {
    return this.#connection.close();
  }

  async register(frontend: FrontendInfo, leaseMs: number): Promise<void> {
    const inTheWay = await this.#run<string | null>(scripts.register, frontend, [leaseMs, describeFrontend(frontend)]);
    if (inTheWay !== null) throw sidInUse(frontend.sid, parseDescription(inTheWay).holder);
  }

  /** See {@link ServerRegistry.renew}. Also lets its command carry the probe of the connection's subscriptions. */
  async renew(frontend: FrontendInfo, leaseMs: number): Promise<LeaseState> {
    const { incarnation } = frontend;
    const heardOf = this.#terms.get(incarnation) ?? "reserved";
    const [state, term] = await this.#connection.subscriptions.carryProbe((probe) =>
      this.#run<[LeaseState, string?]>(scripts.renew, frontend, [
        leaseMs,
        describeFrontend(frontend),
        heardOf,
        randomBytes(6).toString("base64url"),
        ...probe,
      ]),
    );
    if (term !== undefined) this.#terms.set(incarnation, term);
    return state;
  }

  async unregister(frontend: FrontendId): Promise<boolean> {
    this.#terms.delete(frontend.incarnation);
    return (await this.#run<number>(scripts.unregister, frontend, [0])) === 1;
  }

  async forget(frontend: FrontendId): Promise<boolean> {
    return (await this.#run<number>(scripts.unregister, frontend, [1])) === 1;
  }

  list(): Promise<FrontendInfo[]> {
    return this.#list("live");
  }

  listDead(graceMs: number): Promise<FrontendInfo[]> {
    return this.#list("dead", graceMs);
  }

  async #list(...filter: LeaseFilter): Promise<FrontendInfo[]> {
    const leases = await listLeases(this.#connection, ...filter);
    return leases.map(({ msLeft: _msLeft, ...frontend }) => frontend);
  }

  #run<T>(script: Script, { sid, incarnation }: FrontendId, rest: readonly (string | number)[]): Promise<T> {
    return this.#connection.run<T>(
      script,
      [this.#connection.layout.servers],
      [escape(sid), encodeURIComponent(incarnation), ...rest],
    );
  }
}

function describeFrontend({ stype, holder }: FrontendInfo): string {
  return `${encodeURIComponent(stype)} ${encodeURIComponent(holder)}`;
}
