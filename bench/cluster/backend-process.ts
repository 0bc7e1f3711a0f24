// A backend server of the benches: one contender, in a process of its own.
import { chunks } from "../../src/batches.js";
import { serveParent } from "../../test/support/process.js";
import { type ContenderName, FILL_BATCH } from "../contenders/contender.js";
import { createSender } from "../contenders/index.js";
import { message } from "../contenders/message.js";
import { applyLoad, type Load, type LoadResult } from "../support/load.js";
import { monotonicMs } from "../../test/support/monotonic.js";
import { watchUsage } from "../support/process-usage.js";
import { profiler } from "../support/profiler.js";
import { applyRate, type Rate, type RateResult } from "../support/rate.js";
import { Arrivals } from "./arrivals.js";
import { channelMembers, channelName, type Channels } from "./channels.js";
import { Churn } from "./churn.js";
import type { Recording } from "./recorder.js";

export interface BackendConfig {
  /** Of Redis: of a Redis Cluster, as `redisAt` takes it, for this library only. */
  url: string;
  contender: ContenderName;
  sids: readonly string[];
}

export interface BackendRateRun extends Omit<RateResult, "dueAt"> {
  /** When each push was due. */
  sent: Recording;
}

export type BackendApi = typeof api;

const { url, contender, sids } = JSON.parse(process.argv[2]!) as BackendConfig;
const usage = watchUsage();
const sender = await createSender(contender, url, sids);
const arrivals = new Arrivals();
/** Who is in the channels with churn, by what their names begin with: it goes on from run to run. */
const churns = new Map<string, Churn>();
let lastNumber = 0;
let sent: { numbers: number[]; times: number[] } = { numbers: [], times: [] };

const api = {
  start: () => sender.start(),
  async fill(channels: Channels): Promise<void> {
    for (const batch of chunks(channelMembers(channels, sids), FILL_BATCH)) await sender.fill?.(batch);
  },
  /** Where other processes tell what has arrived there. */
  listenForArrivals: () => arrivals.listen(),
  /** One push, about which nothing is known. */
  probe: async (name: string): Promise<void> => void (await sender.push(name, message(++lastNumber))),
  /**
   * Pushes to each of the channels in turn.
   * @param options.arrive whether to wait until others have told that it has arrived
   * @param options.churn the share of a channel's members that is replaced before each push to it
   */
  async run(channels: Channels, load: Load, { arrive = false, churn = 0 } = {}): Promise<LoadResult> {
    sent = { numbers: [], times: [] };
    const push = async (channel?: number): Promise<void> => {
      const number = ++lastNumber;
      const name = channelName(channels, channel ?? number % channels.count);
      const arrived = arrive ? arrivals.of(number) : undefined;
      sent.numbers.push(number);
      sent.times.push(monotonicMs());
      await pushTo(name, number, channels);
      await arrived;
    };
    const work = applyLoad(churn > 0 ? withChurn(push, channels, churn) : () => push(), load);
    return arrive ? arrivals.within(load.durationMs, work) : work;
  },
  /** When each push of the last run was called for. Apart from the run, since it takes time to tell. */
  sent: (): Recording => ({ numbers: Float64Array.from(sent.numbers), times: Float64Array.from(sent.times) }),
  /** Pushes to each of the channels in turn, at a fixed rate, whatever has become of those before. */
  async runAtRate(channels: Channels, rate: Rate): Promise<BackendRateRun> {
    const first = lastNumber + 1;
    const push = (): Promise<void> => {
      const number = ++lastNumber;
      return pushTo(channelName(channels, number % channels.count), number, channels);
    };
    const { dueAt, ...result } = await applyRate(push, rate);
    return { ...result, sent: { numbers: dueAt.map((_, index) => first + index), times: dueAt } };
  },
  usage,
  ...profiler,
};

serveParent(api);

/** A push to one channel after the other, to none that is being changed or pushed to. */
function withChurn(push: (channel: number) => Promise<void>, channels: Channels, share: number): () => Promise<void> {
  if (!sender.change) throw new Error(`${contender} cannot change members`);
  let churn = churns.get(channels.prefix);
  if (!churn) churns.set(channels.prefix, (churn = new Churn(channels, sids)));
  return async () => {
    const channel = churn.take();
    const { leaves, joins } = churn.replace(channel, share);
    await sender.change!(leaves, joins);
    await push(channel);
    churn.giveBack(channel);
  };
}

/** @throws where the contender says that a member has not got it */
async function pushTo(name: string, number: number, { members }: Channels): Promise<void> {
  const delivered = await sender.push(name, message(number));
  if (delivered !== undefined && delivered !== members) {
    throw new Error(`${contender}: ${delivered} of ${members} members have got a push`);
  }
}
