// A frontend server of the cluster tests: real WebSocket clients, on the Redis and with the options that the test gives.
import diagnostics from "node:diagnostics_channel";
import { WebSocketConnector } from "../../src/connectors/websocket.js";
import { Frontend, type FrontendOptions } from "../../src/index.js";
import { redis } from "../../src/redis/index.js";
import { serveParent } from "../support/process.js";
import { type Protection, switchOff } from "./without.js";

export interface FrontendProcessConfig extends Pick<FrontendOptions, "sid" | "leaseMs"> {
  url: string;
  stype?: string;
  without?: readonly Protection[];
}

export type FrontendApi = typeof api;

const { url, stype = "connector", without = [], ...options } = JSON.parse(process.argv[2]!) as FrontendProcessConfig;
switchOff(without);
const errors: string[] = [];
diagnostics.subscribe("globalchannel:error", (message) => errors.push(String((message as { error: Error }).error)));

const connector = new WebSocketConnector({
  port: 0,
  host: "127.0.0.1",
  authenticate: (request) => new URL(request.url!, "http://localhost").searchParams.get("uid") ?? "",
});
const frontend = new Frontend({ ...options, stype, cluster: redis(url), connector });

const api = {
  async start(): Promise<number> {
    await frontend.start();
    return connector.address().port;
  },
  stop: () => frontend.stop(),
  errors: () => errors,
  memory: () => process.memoryUsage().heapUsed,
};

serveParent(api);
