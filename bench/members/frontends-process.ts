// Frontends of the library with users who have no clients: their connectors take every message as delivered.
import { setImmediate as pause } from "node:timers/promises";
import { chunks } from "../../src/batches.js";
import { type Connector, type ConnectorHost, Frontend } from "globalchannel";
import { serveParent } from "../../test/support/process.js";
import { STYPE } from "../support/names.js";
import { watchUsage } from "../support/process-usage.js";
import { redisAt } from "../support/redis-at.js";

export interface FrontendsConfig {
  /** Of Redis, as `redisAt` takes it. */
  url: string;
  sids: readonly string[];
  leaseMs: number;
}

export type FrontendsApi = typeof api;

/** How many sessions open or close in one go: leases have to be renewed in between. */
const BATCH = 1000;

/** Sessions that are nothing but a name. */
class Sessions implements Connector {
  #host: ConnectorHost | undefined;
  #count = 0;

  start(host: ConnectorHost): void {
    this.#host = host;
  }

  open(uid: string): void {
    this.#count++;
    this.#host?.opened(uid);
  }

  close(uid: string): void {
    this.#count--;
    this.#host?.closed(uid);
  }

  deliver(): readonly string[] {
    return [];
  }

  deliverToAll(): number {
    return this.#count;
  }
}

const { url, sids, leaseMs } = JSON.parse(process.argv[2]!) as FrontendsConfig;
const usage = watchUsage();
const frontends = new Map(
  sids.map((sid) => {
    const sessions = new Sessions();
    const frontend = new Frontend({ sid, stype: STYPE, cluster: redisAt(url), connector: sessions, leaseMs });
    return [sid, { frontend, sessions }];
  }),
);

const api = {
  async start(): Promise<void> {
    for (const { frontend } of frontends.values()) await frontend.start();
  },
  /** Opens a session for each of these users. The store may be told later. */
  open: (sid: string, uids: readonly string[]) => forEach(uids, (uid) => frontends.get(sid)!.sessions.open(uid)),
  close: (sid: string, uids: readonly string[]) => forEach(uids, (uid) => frontends.get(sid)!.sessions.close(uid)),
  async stop(): Promise<void> {
    for (const { frontend } of frontends.values()) await frontend.stop();
  },
  usage,
};

serveParent(api);

async function forEach(uids: readonly string[], step: (uid: string) => void): Promise<void> {
  for (const some of chunks(uids, BATCH)) {
    for (const uid of some) step(uid);
    await pause();
  }
}
