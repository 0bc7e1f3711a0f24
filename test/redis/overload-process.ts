// A backend that is called more often than its Redis answers.
import { setImmediate as nextTurn } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Redis } from "ioredis";
import { GlobalChannelService, isGlobalChannelError, type LagMessage } from "../../src/index.js";
import diagnostics from "node:diagnostics_channel";
import { redis } from "../../src/redis/index.js";
import { serveParent } from "../support/process.js";

export type OverloadApi = typeof api;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const { url, ...options } = JSON.parse(process.argv[2]!) as { url: string; maxPendingCalls?: number };
// A client of the application, which waits for as long as Redis hangs.
const client = new Redis(url);
const service = new GlobalChannelService({ cluster: redis(client), ...options });

const lags: Omit<LagMessage, "source">[] = [];
diagnostics.subscribe("globalchannel:lag", (message) => {
  const { source, ...lag } = message as LagMessage;
  if (source === service) lags.push(lag);
});

/** How many calls had which result: `true`, `false` or the code of an error. */
const outcomes: Record<string, number> = {};
let pending = 0;

function count(call: Promise<boolean>): void {
  const note = (outcome: string): void => {
    pending--;
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  };
  pending++;
  call.then(
    (result) => note(String(result)),
    (error: unknown) => note(isGlobalChannelError(error) && error.temporary ? error.code : String(error)),
  );
}

function heapBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const api = {
  start: () => service.start(),
  /** Adds users, some in each turn of the event loop. Resolves by how many bytes the heap has grown. */
  async addAll(users: number): Promise<number> {
    const before = heapBytes();
    for (let n = 0; n < users; n++) {
      count(service.add(`room-${n % 1000}`, `user-${n}`, "connector-1"));
      if (n % 10_000 === 0) await nextTurn();
    }
    await nextTurn();
    return heapBytes() - before;
  },
  add: (uid: string) => service.add("room", uid, "connector-1"),
  state: () => ({ pending, outcomes, lags }),
  async stop(): Promise<void> {
    await service.stop();
    client.disconnect();
  },
};

serveParent(api);
