// A frontend: it holds client connections. Its users join, leave and push by what their clients send.
import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage } from "node:http";

// In your project: from "globalchannel", "globalchannel/redis" and "globalchannel/websocket".
import { WebSocketConnector } from "../../src/connectors/websocket/connector.js";
import { Frontend, GlobalChannelService, type Cluster, type ErrorMessage } from "../../src/index.js";
import { redis } from "../../src/redis/index.js";
import { serveParent } from "../../test/support/process.js";
import { GRACE_MS, LEASE_MS, STYPE } from "./settings.js";

export type FrontendApi = Awaited<ReturnType<typeof startFrontend>>;

export async function startFrontend(cluster: Cluster, sid: string) {
  // Any process may have a service. This one does what clients ask for.
  const service = new GlobalChannelService({ cluster, graceMs: GRACE_MS });
  const connector = new WebSocketConnector({ port: 0, host: "127.0.0.1", authenticate });
  const frontend = new Frontend({
    sid,
    stype: STYPE,
    cluster,
    connector,
    leaseMs: LEASE_MS,
    onMessage: (uid, route, msg) => answer(service, { uid, sid, route, msg }),
  });
  await service.start();
  await frontend.start();

  return {
    /** Where clients connect. */
    url: () => `ws://127.0.0.1:${connector.address().port}`,

    /** Its members leave their channels, its clients are closed. Do this before a planned end of the process. */
    async stop() {
      await frontend.stop();
      await service.stop();
    },
  };
}

/** The demo believes everyone. A real app checks a token or a session cookie here, and throws if it is not valid. */
function authenticate(request: IncomingMessage): string {
  return new URL(request.url ?? "", "ws://localhost").searchParams.get("uid") ?? "";
}

interface ClientRequest {
  uid: string;
  sid: string;
  route: string;
  msg: unknown;
}

/** Does what a client asks for, and pushes the result to its user. A real app checks here who may do what. */
async function answer(service: GlobalChannelService, request: ClientRequest): Promise<void> {
  const reply = (route: string, msg: unknown) => service.pushToUsers(STYPE, route, msg, [request.uid]);
  try {
    await handle(service, request, reply);
  } catch (error) {
    await reply("onError", { request: request.route, error: (error as Error).message });
  }
}

async function handle(
  service: GlobalChannelService,
  { uid, sid, route, msg }: ClientRequest,
  reply: (route: string, msg: unknown) => Promise<unknown>,
): Promise<void> {
  const channel = textOf(msg, "channel");
  switch (route) {
    case "join":
      await service.add(channel, uid, sid);
      await reply("onChannels", { channels: await service.getChannels(uid) });
      break;
    case "leave":
      await service.leave(channel, uid, sid);
      await reply("onChannels", { channels: await service.getChannels(uid) });
      break;
    case "push": {
      const text = textOf(msg, "text");
      const report = await service.pushMessage(STYPE, "onChat", { channel, from: uid, text }, channel);
      await reply("onReport", { channel, report });
      break;
    }
    default:
      throw new Error("there are the routes join, leave and push");
  }
}

/** What a client sends can be anything: takes a field that must be a short text. */
function textOf(msg: unknown, field: string): string {
  const value = (msg as Record<string, unknown> | null | undefined)?.[field];
  if (typeof value !== "string" || value === "" || value.length > 200) {
    throw new Error(`${field} must be a text of 1 to 200 characters`);
  }
  return value;
}

// When this file is run, it is a process of its own.
if (process.argv[1] === import.meta.filename) {
  // Errors that no caller waits for. A real app logs them.
  subscribe("globalchannel:error", (message) => console.error((message as ErrorMessage).error.message));
  const { DEMO_REDIS_URL = "", DEMO_PREFIX = "" } = process.env;
  const sid = process.argv[2] ?? "";
  serveParent(await startFrontend(redis(DEMO_REDIS_URL, { prefix: DEMO_PREFIX }), sid));
}
