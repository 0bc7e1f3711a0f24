// A backend server of the pushes, on one kind of cluster.
import { type Connector, Frontend, GlobalChannelService, memory } from "globalchannel";
import { serveParent } from "../../test/support/process.js";
import { TIMEOUT_MS } from "../contenders/contender.js";
import { message, ROUTE } from "../contenders/message.js";
import { type ClusterUrls, clusterAt } from "../support/cluster-at.js";
import { applyLoad, type Load, type LoadResult } from "../support/load.js";
import { membersOf, STYPE } from "../support/names.js";
import { watchUsage } from "../support/process-usage.js";
import { profiler } from "../support/profiler.js";
import { SIDS } from "./sids.js";

export interface PushConfig {
  /** Where a cluster of several processes is; without: one within this process, its frontends too. */
  urls?: ClusterUrls;
}

export type PushApi = typeof api;

const CHANNEL = "room";

const { urls } = JSON.parse(process.argv[2]!) as PushConfig;
const usage = watchUsage();
const cluster = urls ? clusterAt(urls) : memory();
// Looking for dead frontends is not part of a push.
const service = new GlobalChannelService({ cluster, timeoutMs: TIMEOUT_MS, reapIntervalMs: 600_000 });
/** Takes every message as delivered. */
const nowhere: Connector = { deliver: () => [], deliverToAll: () => 0 };
const frontends = urls ? [] : SIDS.map((sid) => new Frontend({ sid, stype: STYPE, cluster, connector: nowhere }));
let members = 0;
let lastNumber = 0;

const api = {
  async start(): Promise<void> {
    await service.start();
    for (const frontend of frontends) await frontend.start();
  },
  async fill(count: number): Promise<void> {
    await service.addMany(membersOf(count, SIDS).map((member) => ({ ...member, name: CHANNEL })));
    members += count;
  },
  /** @param joins whether each push follows an add to the same channel, which no frontend has heard of yet */
  async run(load: Load, { joins = false } = {}): Promise<LoadResult> {
    const late: { name: string; uid: string; sid: string }[] = [];
    const join = async (): Promise<void> => {
      const member = { name: CHANNEL, uid: `late-${late.length}`, sid: SIDS[late.length % SIDS.length]! };
      late.push(member);
      await service.add(member.name, member.uid, member.sid);
    };
    const push = async (): Promise<void> => {
      const { delivered } = await service.pushMessage(STYPE, ROUTE, message(++lastNumber), CHANNEL);
      const expected = members + late.length;
      if (delivered !== expected) throw new Error(`${delivered} of ${expected} members have got a push`);
    };
    const result = await applyLoad(push, load, joins ? { before: join } : {});
    await service.leaveMany(late);
    return result;
  },
  usage,
  ...profiler,
};

serveParent(api);
