// A frontend server of the cluster tests, on the Redis and with the options that the test gives: real WebSocket clients, or
// sessions that are nothing but a name.
import diagnostics from "node:diagnostics_channel";
import { constants, setPriority } from "node:os";
import { WebSocketConnector } from "../../src/connectors/websocket/connector.js";
import { Frontend, type FrontendOptions } from "../../src/index.js";
import { redis } from "../../src/redis/index.js";
import { heapInUse } from "../support/heap.js";
import { NamedSessions } from "../support/named-sessions.js";
import { serveParent } from "../support/process.js";
import { type Protection, switchOff } from "./without.js";

export interface FrontendProcessConfig extends Pick<FrontendOptions, "sid" | "leaseMs"> {
  url: string;
  stype?: string;
  /** Whether its users have no sockets: {@link FrontendApi.open} opens their sessions. @default false */
  hasNamedSessions?: boolean;
  without?: readonly Protection[];
}

export type FrontendApi = typeof api;

const config = JSON.parse(process.argv[2]!) as FrontendProcessConfig;
const { url, stype = "connector", hasNamedSessions = false, without = [], ...options } = config;
switchOff(without);
const errors: string[] = [];
diagnostics.subscribe("globalchannel:error", (message) => errors.push(String((message as { error: Error }).error)));

const sessions = new NamedSessions();
const clients = new WebSocketConnector({
  port: 0,
  host: "127.0.0.1",
  authenticate: (request) => new URL(request.url!, "http://localhost").searchParams.get("uid") ?? "",
});
const connector = hasNamedSessions ? sessions : clients;
const frontend = new Frontend({ ...options, stype, cluster: redis(url), connector });
let busy: NodeJS.Timeout | undefined;

const api = {
  /** Resolves the port for clients; 0 where there are none. */
  async start(): Promise<number> {
    await frontend.start();
    return hasNamedSessions ? 0 : clients.address().port;
  },
  stop: () => frontend.stop(),
  /** Opens a session for each of these users. The store may be told later. */
  open: (uids: readonly string[]) => sessions.open(uids),
  /**
   * Keeps the event loop busy for `ms` out of every `ms + pauseMs`, until {@link FrontendApi.beIdle}. It takes the core from
   * nobody else: others are to wait for its answers, not for its core.
   */
  beBusy(ms: number, pauseMs: number): void {
    setPriority(constants.priority.PRIORITY_LOW);
    const work = (): void => {
      for (const endAt = performance.now() + ms; performance.now() < endAt;);
      busy = setTimeout(work, pauseMs);
    };
    work();
  },
  beIdle: () => clearTimeout(busy),
  errors: () => errors,
  memory: () => heapInUse(),
  /** The time of day that its host tells. */
  now: () => Date.now(),
};

serveParent(api);
