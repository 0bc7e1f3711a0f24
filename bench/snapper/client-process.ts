// Some of the clients of the bench, in a process that is not measured.
import { once, type EventEmitter } from "node:events";
import { Socket } from "engine.io-client";
import { chunks } from "../../src/batches.js";
import { serveParent } from "../../test/support/process.js";
import { ArrivalReporter } from "../cluster/arrivals.js";
import { Deliveries } from "../cluster/deliveries.js";
import { numberAtEnd } from "../contenders/message.js";

export type ClientsApi = typeof api;

/** How many connections are being made at the same time. */
const CONNECTING = 20;

const reporter = new ArrivalReporter();
let deliveries: Deliveries;

const api = {
  /** Connects a client with each of these tokens. Resolves their ids. */
  async connect(port: number, tokens: readonly string[]): Promise<string[]> {
    deliveries = new Deliveries(tokens.length, (number) => reporter.arrived(number));
    const ids: string[] = [];
    for (const some of chunks([...tokens.entries()], CONNECTING)) {
      ids.push(...(await Promise.all(some.map(([client, token]) => connect(port, client, token)))));
    }
    return ids;
  },
  /** Forgets what has come. @param port of who is to be told which messages all the clients have got */
  async begin(port: number): Promise<void> {
    await reporter.reportTo(port);
    deliveries.begin();
  },
  /** Why it is not so that every client has got every message once; undefined: it is so. */
  problem: () => deliveries.problem,
};

async function connect(port: number, client: number, token: string): Promise<string> {
  const socket = new Socket(`ws://127.0.0.1:${port}`, {
    path: "/websocket",
    transports: ["websocket"],
    query: { token },
  });
  socket.on("message", (data) => {
    const { id, params } = JSON.parse(String(data)) as { id: string; params: string[] };
    socket.send(`{"jsonrpc":"2.0","id":"${id}","result":"OK"}`);
    for (const text of params) deliveries.take(client, numberAtEnd(text));
  });
  await once(socket as unknown as EventEmitter, "open");
  socket.on("close", () => deliveries.fail(`client ${client} was disconnected`));
  return (socket as unknown as { id: string }).id;
}

serveParent(api);
