import { createRequire } from "node:module";
import type { Membership } from "../../src/types.js";
import type { Contender } from "./contender.js";

type Callback<T> = (error: Error | null | undefined, result: T) => void;

/** The manager of pomelo-globalchannel-plugin 0.0.7, on its own Redis client. */
interface OriginalManager {
  start(done: Callback<unknown>): void;
  add(name: string, uid: string, sid: string, done: Callback<void>): void;
  leave(name: string, uid: string, sid: string, done: Callback<void>): void;
  getMembersBySid(name: string, sid: string, done: Callback<string[]>): void;
  destroyChannel(name: string, done: Callback<void>): void;
}

/** What it asks its Pomelo application: which servers there are. */
interface OriginalApplication {
  getServers(): Record<string, unknown>;
  isFrontend(server: unknown): boolean;
}

const Manager = createRequire(import.meta.url)(
  "pomelo-globalchannel-plugin/lib/manager/redisGlobalChannelManager.js",
) as new (app: OriginalApplication, options: { host: string; port: number }) => OriginalManager;

/** As it is on npm. What it lacks is done with it as its users have to: one call for each member, channel or frontend. */
export class OriginalMembers implements Contender {
  readonly #manager: OriginalManager;
  readonly #sids: readonly string[];

  constructor(url: string, sids: readonly string[]) {
    const { hostname, port } = new URL(url);
    const servers = Object.fromEntries(sids.map((sid) => [sid, { id: sid }]));
    const app = { getServers: () => servers, isFrontend: () => true };
    this.#manager = new Manager(app, { host: hostname, port: Number(port) });
    this.#sids = sids;
  }

  async start(): Promise<void> {
    await called((done) => this.#manager.start(done));
  }

  add(name: string, uid: string, sid: string): Promise<void> {
    return called((done) => this.#manager.add(name, uid, sid, done));
  }

  leave(name: string, uid: string, sid: string): Promise<void> {
    return called((done) => this.#manager.leave(name, uid, sid, done));
  }

  async addMany(memberships: readonly Membership[]): Promise<void> {
    await Promise.all(memberships.map(({ name, uid, sid }) => this.add(name, uid, sid)));
  }

  /** It cannot tell which channels a user is in: the caller has to know all of them. */
  async leaveAll(_uid: string, _sid: string, memberships: readonly Membership[]): Promise<void> {
    await Promise.all(memberships.map(({ name, uid, sid }) => this.leave(name, uid, sid)));
  }

  destroyChannel(name: string): Promise<void> {
    return called((done) => this.#manager.destroyChannel(name, done));
  }

  /** It can only list members: all of them, at every frontend. */
  async count(name: string): Promise<number> {
    const lists = await Promise.all(this.#sids.map((sid) => this.getMembersBySid(name, sid)));
    return lists.reduce((total, uids) => total + uids.length, 0);
  }

  getMembersBySid(name: string, sid: string): Promise<string[]> {
    return called((done) => this.#manager.getMembersBySid(name, sid, done));
  }
}

function called<T>(call: (done: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => call((error, result) => (error ? reject(error) : resolve(result))));
}
