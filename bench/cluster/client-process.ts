// Some of the clients of a bench: real WebSocket connections, in a process that is not measured.
import { chunks } from "../../src/batches.js";
import { serveParent } from "../../test/support/process.js";
import type { ClientProtocol } from "../contenders/contender.js";
import { numberAtEnd } from "../contenders/message.js";
import { ArrivalReporter } from "./arrivals.js";
import { type ClientPlace, connectClient } from "./client.js";
import { Deliveries } from "./deliveries.js";

export type ClientsApi = typeof api;

/** How many connections are being made at the same time. */
const CONNECTING = 50;

const reporter = new ArrivalReporter();
let deliveries: Deliveries;

const api = {
  async connect(places: readonly ClientPlace[], protocol: ClientProtocol): Promise<void> {
    deliveries = new Deliveries(places.length, (number) => reporter.arrived(number));
    for (const some of chunks([...places.entries()], CONNECTING)) {
      await Promise.all(
        some.map(([client, place]) =>
          connectClient(place, protocol, {
            message: (text) => deliveries.take(client, numberAtEnd(text)),
            closed: () => deliveries.fail(`${place.uid} was disconnected`),
          }),
        ),
      );
    }
  },
  /** Forgets what has come. @param port of who is to be told which messages all the clients have got, if anybody is */
  async begin(port?: number): Promise<void> {
    await reporter.reportTo(port);
    deliveries.begin();
  },
  /** How many messages all the clients have got. */
  count: () => deliveries.count,
  /** Why it is not so that every client has got every message once; undefined: it is so. */
  problem: () => deliveries.problem,
};

serveParent(api);
