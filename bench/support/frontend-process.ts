// A frontend server of the benches.
import { WebSocketConnector } from "../../src/connectors/websocket.js";
import { type Connector, Frontend } from "../../src/index.js";
import { serveParent } from "../../test/support/process.js";
import { clusterAt } from "./cluster.js";
import { STYPE } from "./names.js";
import { watchUsage } from "./process-usage.js";
import { RawSubscriber } from "./raw-subscriber.js";

export interface FrontendConfig {
  /** Of Redis. */
  url: string;
  /** Where the members are, unless they are in Redis. */
  mysql?: string;
  sid: string;
  /** `none`: what is handed to clients ends there; `websocket`: there are real ones. */
  clients: "none" | "websocket";
}

export type FrontendApi = typeof api;

const { url, mysql, sid, clients } = JSON.parse(process.argv[2]!) as FrontendConfig;
const usage = watchUsage();
const raw = new RawSubscriber(url, sid);

/** Takes every message as delivered: what remains to be measured is the way to here. */
const nowhere: Connector = {
  deliver: () => [],
  deliverToAll: () => 0,
};
const webSocket =
  clients === "websocket"
    ? new WebSocketConnector({
        port: 0,
        host: "127.0.0.1",
        authenticate: (request) => new URL(request.url!, "http://localhost").searchParams.get("uid")!,
        // What is slow here is the machine.
        maxBufferedBytes: 2 ** 30,
      })
    : undefined;
// A longer lease than the default: an overloaded machine is part of the measurement, a frontend that it delays is alive.
const frontend = new Frontend({
  sid,
  stype: STYPE,
  cluster: clusterAt({ redis: url, mysql }),
  connector: webSocket ?? nowhere,
  leaseMs: 30_000,
});

const api = {
  /** Resolves the port for clients, if there is one. */
  async start(): Promise<number | undefined> {
    await frontend.start();
    await raw.start();
    return webSocket?.address().port;
  },
  usage,
};

serveParent(api);
