// A producer of the bench, in a process of its own.
import { Producer } from "globalchannel/snapper";
import { serveParent } from "../../test/support/process.js";
import type { Load } from "../support/load.js";
import { watchUsage } from "../support/process-usage.js";
import { profiler } from "../support/profiler.js";
import { ROOM, SECRET } from "./contender.js";
import { LoadRun } from "./load-run.js";

export type ProducerApi = typeof api;

const { rpcPort } = JSON.parse(process.argv[2]!) as { rpcPort: number };
const usage = watchUsage();
const producer = new Producer(rpcPort, { producerId: "bench", secretKeys: SECRET });
const run = new LoadRun((text) => producer.sendMessage(ROOM, text));

const api = {
  /** Tokens of so many users. */
  tokens: (count: number): string[] =>
    Array.from({ length: count }, (_, index) => producer.signAuth({ userId: `user-${1_000_000 + index}` })),
  /** Puts consumers into the room. */
  async join(consumerIds: readonly string[]): Promise<void> {
    await Promise.all(consumerIds.map((id) => producer.joinRoom(ROOM, id)));
  },
  listenForArrivals: () => run.listen(),
  run: (load: Load) => run.apply(load),
  usage,
  ...profiler,
};

serveParent(api);
