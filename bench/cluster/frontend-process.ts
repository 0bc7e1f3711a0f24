// A frontend server of the benches: the part of each contender that it is asked for.
import { serveParent } from "../../test/support/process.js";
import type { Membership, Receiver, ReceiverOptions } from "../contenders/contender.js";
import { createReceiver, type ReceiverName } from "../contenders/index.js";
import { watchUsage } from "../support/process-usage.js";
import { profiler } from "../support/profiler.js";
import { channelMembers, type Channels } from "./channels.js";
import { Recorder } from "./recorder.js";

export interface FrontendConfig extends Omit<ReceiverOptions, "handOver"> {
  receivers: readonly ReceiverName[];
}

export type FrontendApi = typeof api;
/** Where clients connect. */
export type Ports = Partial<Record<ReceiverName, number>>;

const { receivers: names, ...options } = JSON.parse(process.argv[2]!) as FrontendConfig;
const usage = watchUsage();
const recorder = new Recorder();
const receivers = new Map<ReceiverName, Receiver>();
for (const name of names) {
  receivers.set(name, await createReceiver(name, { ...options, handOver: (number) => recorder.note(number) }));
}

const api = {
  async start(): Promise<Ports> {
    const ports: Ports = {};
    for (const [name, receiver] of receivers) {
      const port = await receiver.start();
      if (port !== undefined) ports[name] = port;
    }
    return ports;
  },
  /** Makes those who are here members, where it is the frontends that know that. */
  async fill(channels: Channels, sids: readonly string[], wanted: readonly ReceiverName[]): Promise<void> {
    let mine: Membership[] | undefined;
    for (const [name, receiver] of receivers) {
      if (!receiver.fill || !wanted.includes(name)) continue;
      mine ??= channelMembers(channels, sids).filter(({ sid }) => sid === options.sid);
      await receiver.fill(mine);
    }
  },
  /** Forgets what has come. @param port of who is to be told of each message from now on, if anybody is */
  begin: (port?: number) => recorder.begin(port),
  count: () => recorder.count,
  recording: () => recorder.recording,
  usage,
  ...profiler,
};

serveParent(api);
