// A backend server of the benches: one contender, in a process of its own.
import { chunks } from "../../src/batches.js";
import { serveParent } from "../../test/support/process.js";
import { type ContenderName, FILL_BATCH } from "../contenders/contender.js";
import { createSender } from "../contenders/index.js";
import { message } from "../contenders/message.js";
import { applyLoad, type Load, type LoadResult } from "../support/load.js";
import { monotonicMs } from "../support/monotonic.js";
import { watchUsage } from "../support/process-usage.js";
import { Arrivals } from "./arrivals.js";
import { channelMembers, channelName, type Channels } from "./channels.js";
import type { Recording } from "./recorder.js";

export interface BackendConfig {
  /** Of Redis. */
  url: string;
  contender: ContenderName;
  sids: readonly string[];
}

export interface BackendRun extends LoadResult {
  /** When each push was called for. */
  sent: Recording;
}

export type BackendApi = typeof api;

const { url, contender, sids } = JSON.parse(process.argv[2]!) as BackendConfig;
const usage = watchUsage();
const sender = createSender(contender, url, sids);
const arrivals = new Arrivals();
let lastNumber = 0;

const api = {
  start: () => sender.start(),
  async fill(channels: Channels): Promise<void> {
    for (const batch of chunks(channelMembers(channels, sids), FILL_BATCH)) await sender.fill?.(batch);
  },
  /** Where other processes tell what has arrived there. */
  listenForArrivals: () => arrivals.listen(),
  /** One push, about which nothing is known. */
  probe: async (name: string): Promise<void> => void (await sender.push(name, message(++lastNumber))),
  /** Pushes to each of the channels in turn. @param arrive whether to wait until others have told that it has arrived */
  async run(channels: Channels, load: Load, { arrive = false } = {}): Promise<BackendRun> {
    const sent: { numbers: number[]; times: number[] } = { numbers: [], times: [] };
    const push = async (): Promise<void> => {
      const number = ++lastNumber;
      const name = channelName(channels, number % channels.count);
      const arrived = arrive ? arrivals.of(number) : undefined;
      sent.numbers.push(number);
      sent.times.push(monotonicMs());
      checkDelivered(await sender.push(name, message(number)), channels.members);
      await arrived;
    };
    const result = await applyLoad(push, load);
    return { ...result, sent: { numbers: Float64Array.from(sent.numbers), times: Float64Array.from(sent.times) } };
  },
  usage,
};

serveParent(api);

/** @param delivered undefined: the contender does not say */
function checkDelivered(delivered: number | undefined, members: number): void {
  if (delivered !== undefined && delivered !== members) {
    throw new Error(`${contender}: ${delivered} of ${members} members have got a push`);
  }
}
