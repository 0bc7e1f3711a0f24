// A frontend server of the chaos suite. It answers each client's first message, so that the client knows of its session.
import { WebSocketConnector } from "../../src/connectors/websocket/connector.js";
import { Frontend } from "../../src/index.js";
import { redis } from "../../src/redis/index.js";
import { serveParent } from "../support/process.js";
import { STYPE } from "./settings.js";

export type FrontendApi = typeof api;

export interface FrontendConfig {
  url: string;
  sid: string;
  leaseMs: number;
}

const { url, sid, leaseMs } = JSON.parse(process.argv[2]!) as FrontendConfig;

const connector = new WebSocketConnector({
  port: 0,
  host: "127.0.0.1",
  authenticate: (request) => new URL(request.url!, "http://localhost").searchParams.get("uid") ?? "",
});
const frontend = new Frontend({
  sid,
  stype: STYPE,
  leaseMs,
  cluster: redis(url),
  connector,
  onMessage: (uid, _route, msg) =>
    connector.deliver(new Set([uid]), { route: "welcome", body: JSON.stringify({ connection: msg }) }),
});

const api = {
  async start(): Promise<number> {
    await frontend.start();
    return connector.address().port;
  },
  stop: () => frontend.stop(),
};

serveParent(api);
