// Some of the clients of the bench, in a process that is not measured.
import { serveParent } from "../../test/support/process.js";
import { connectClient } from "./client.js";
import { type Expected, Reception, type Received } from "./reception.js";

export interface ClientPlace {
  /** Its place among all clients of the application. */
  index: number;
  uid: string;
  /** The port of its connector. */
  port: number;
}

export type ClientsApi = typeof api;

/** How many connections are being made at the same time. */
const CONNECTING = 50;

let reception: Reception;

const api = {
  async connect(places: readonly ClientPlace[]): Promise<void> {
    reception = new Reception(places.map(({ index }) => index));
    const waiting = [...places.entries()];
    const connectNext = async (): Promise<void> => {
      for (let entry = waiting.pop(); entry; entry = waiting.pop()) {
        const [client, { uid, port }] = entry;
        await connectClient(uid, port, (body) => reception.take(client, body));
      }
    };
    await Promise.all(Array.from({ length: CONNECTING }, connectNext));
  },
  /** Call it before each burst. */
  expect: (expected: Expected): void => reception.expect(expected),
  received: (timeoutMs: number): Promise<Received> => reception.received(timeoutMs),
  /** Fails if something has come that should not have. */
  check: (): void => reception.check(),
};

serveParent(api);
