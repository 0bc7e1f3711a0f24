// A backend server of the fanout bench: one contender, in a process of its own.
import { serveParent } from "../../test/support/process.js";
import { Arrivals } from "../support/arrivals.js";
import { applyLoad, type Load, type LoadResult } from "../support/load.js";
import { watchUsage } from "../support/process-usage.js";
import { membersOf, message } from "../support/pushes.js";
import type { Contender, ContenderName } from "./contender.js";
import { OriginalContender } from "./original.js";
import { OursContender } from "./ours.js";
import { RawContender } from "./raw.js";

export interface BackendConfig {
  url: string;
  contender: ContenderName;
  sids: readonly string[];
}

export type BackendApi = typeof api;

const { url, contender: name, sids } = JSON.parse(process.argv[2]!) as BackendConfig;
const usage = watchUsage();
const contender = createContender();
const arrivals = new Arrivals();
let lastNumber = 0;

const api = {
  start: () => contender.start(),
  fill: (channel: string, members: number) => contender.fill(channel, membersOf(members, sids)),
  /** Where the processes of the clients tell what has arrived. */
  listenForArrivals: () => arrivals.listen(),
  /** @param members how many must have got each push @param arrive whether to wait until the clients have got it */
  run(channel: string, members: number, load: Load, { arrive = false } = {}): Promise<LoadResult> {
    const push = async (): Promise<void> => {
      const number = ++lastNumber;
      const arrived = arrive ? arrivals.of(number) : undefined;
      const delivered = await contender.push(channel, message(number));
      if (delivered !== members) throw new Error(`${name}: ${delivered} of ${members} members have got a push`);
      await arrived;
    };
    return applyLoad(push, load, { settled: async () => contender.settled?.() });
  },
  usage,
};

serveParent(api);

function createContender(): Contender {
  switch (name) {
    case "globalchannel":
      return new OursContender(url);
    case "original":
      return new OriginalContender(url, sids);
    case "raw":
      return new RawContender(url, sids);
  }
}
