// Some of the clients of a bench: real WebSocket connections, in a process that is not measured.
import { once } from "node:events";
import { WebSocket } from "ws";
import { chunks } from "../../src/batches.js";
import { serveParent } from "../../test/support/process.js";
import { numberAtEnd } from "../contenders/message.js";
import { ArrivalReporter } from "./arrivals.js";

export interface ClientPlace {
  uid: string;
  /** The port of its frontend. */
  port: number;
}

export type ClientsApi = typeof api;

/** How many connections are being made at the same time. */
const CONNECTING = 50;

const reporter = new ArrivalReporter();
/** How many clients have got each message that not all of them have got yet. */
const counts = new Map<number, number>();
let total = 0;

const api = {
  async connect(places: readonly ClientPlace[]): Promise<void> {
    total = places.length;
    for (const some of chunks(places, CONNECTING)) await Promise.all(some.map((place) => connectClient(place)));
  },
  /** From now on those at this port are told which messages all the clients have got. */
  reportTo: (port: number) => reporter.reportTo(port),
};

async function connectClient({ uid, port }: ClientPlace): Promise<void> {
  const client = new WebSocket(`ws://127.0.0.1:${port}/?uid=${uid}`, {
    perMessageDeflate: false,
    skipUTF8Validation: true,
  });
  client.on("message", (data: Buffer) => count(numberAtEnd(data)));
  await once(client, "open");
}

function count(number: number): void {
  const received = (counts.get(number) ?? 0) + 1;
  if (received < total) {
    counts.set(number, received);
    return;
  }
  counts.delete(number);
  reporter.arrived(number);
}

serveParent(api);
