// Some of the clients of a bench: real WebSocket connections, in a process that is not measured.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { WebSocket } from "ws";
import { chunks } from "../../src/batches.js";
import { serveParent } from "../../test/support/process.js";

export interface ClientPlace {
  uid: string;
  /** The port of its frontend. */
  port: number;
}

export type ClientsApi = typeof api;

/** How many connections are being made at the same time. */
const CONNECTING = 50;

/** How many clients have got each message that not all of them have got yet. */
const counts = new Map<number, number>();
let total = 0;
let complete: number[] = [];
let arrivals: Socket | undefined;

const api = {
  async connect(places: readonly ClientPlace[]): Promise<void> {
    total = places.length;
    for (const some of chunks(places, CONNECTING)) await Promise.all(some.map((place) => connectClient(place)));
  },
  /** From now on the {@link Arrivals} at this port are told which messages all the clients have got. */
  async reportTo(port: number): Promise<void> {
    arrivals?.destroy();
    arrivals = connect(port, "127.0.0.1").setNoDelay();
    await once(arrivals, "data");
  },
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
  if (complete.push(number) === 1) setImmediate(tell);
}

function tell(): void {
  arrivals?.write(`${complete.join("\n")}\n`);
  complete = [];
}

/** The number of a message, `{"route":"...","msg":{...,"number":123}}`: parsing all of it would slow everything down. */
function numberAtEnd(data: Buffer): number {
  let number = 0;
  let unit = 1;
  for (let index = data.length - 3; ; index--, unit *= 10) {
    const digit = data[index]! - 48;
    if (!(digit >= 0 && digit <= 9)) return number;
    number += digit * unit;
  }
}

serveParent(api);
