// A backend server of the cluster tests.
import diagnostics from "node:diagnostics_channel";
import { chunks } from "../../src/batches.js";
import { GlobalChannelService, type GlobalChannelServiceOptions, type MembershipEvent } from "../../src/index.js";
import { redis } from "../../src/redis/index.js";
import { heapInUse } from "../support/heap.js";
import { serveParent } from "../support/process.js";
import { Load } from "./load.js";
import { attempt, type CallOutcome, sendable } from "./outcome.js";
import { type Protection, switchOff } from "./without.js";
import { type Watched, watchUntilGone } from "./witness.js";

export interface BackendProcessConfig extends Pick<
  GlobalChannelServiceOptions,
  "graceMs" | "leaveDelayMs" | "reapIntervalMs" | "timeoutMs"
> {
  url: string;
  /** Whether events are only counted, where they are too many to keep. @default false */
  countsEvents?: boolean;
  without?: readonly Protection[];
}

export type BackendApi = typeof api;

export type ObservedEvent = MembershipEvent & { type: "join" | "leave" };

/** How many channels are asked about at the same time. */
const BATCH = 500;

const { url, countsEvents = false, without = [], ...options } = JSON.parse(process.argv[2]!) as BackendProcessConfig;
switchOff(without);
const errors: string[] = [];
diagnostics.subscribe("globalchannel:error", (message) => errors.push(String((message as { error: Error }).error)));

const service = new GlobalChannelService({ cluster: redis(url), ...options });
const events: ObservedEvent[] = [];
/** `<type> <reason>` -> how many. */
const eventCounts = new Map<string, number>();
for (const type of ["join", "leave"] as const) {
  service.on(type, (event) => {
    const kind = `${type} ${event.reason}`;
    eventCounts.set(kind, (eventCounts.get(kind) ?? 0) + 1);
    if (!countsEvents) events.push({ ...event, type });
  });
}

/** What is called again and again, by a name for it. */
const loads = new Map<string, Load>();

const api = {
  start: () => service.start(),
  stop: () => service.stop(),
  addMany: (members: { name: string; uid: string; sid: string }[]) => service.addMany(members),
  leave: (name: string, uid: string, sid: string) => service.leave(name, uid, sid),
  count: (name: string) => service.count(name),
  /** How many members all these channels have together. */
  async countAll(names: readonly string[]): Promise<number> {
    let sum = 0;
    for (const some of chunks(names, BATCH)) {
      const counts = await Promise.all(some.map((name) => service.count(name)));
      sum += counts.reduce((total, count) => total + count, 0);
    }
    return sum;
  },
  members: (name: string) => service.getMembersByChannelName("connector", name),
  /** The uid of every member that the pages of a channel list, as often as they do. */
  async listed(name: string): Promise<string[]> {
    const uids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await service.listMembers(name, cursor === undefined ? {} : { cursor });
      for (const { uid } of page.members) uids.push(uid);
      cursor = page.cursor;
    } while (cursor !== undefined);
    return uids;
  },
  sids: (uid: string) => service.getSids(uid),
  channels: (uid: string) => service.getChannels(uid),
  push: (route: string, msg: unknown, name: string | string[], except: string[] = []) =>
    outcome(() => service.pushMessage("connector", route, msg, name, { except })),
  /** Pushes many messages without waiting in between. */
  pushAll: (pushes: { route: string; msg: unknown; name: string }[]) =>
    Promise.all(
      pushes.map(({ route, msg, name }) => outcome(() => service.pushMessage("connector", route, msg, name))),
    ),
  broadcast: (route: string, msg: unknown) => outcome(() => service.broadcast("connector", route, msg)),
  tryAdd: (name: string, uid: string, sid: string) => outcome(() => service.add(name, uid, sid)),
  /** Pushes numbered messages to a channel, `everyMs`, until {@link BackendApi.stopLoad}. */
  startLoad(name: string, everyMs: number): void {
    loads.set(name, new Load((n) => service.pushMessage("connector", "load", n, name), everyMs));
  },
  /** Counts members of a channel and changes them, `everyMs`, until {@link BackendApi.stopLoad} of `other`. */
  startOtherLoad(name: string, sid: string, everyMs: number): void {
    const calls = [
      () => service.count(name),
      () => service.add("other", "somebody", sid),
      () => service.leave("other", "somebody", sid),
      () => service.getSids("somebody"),
    ] as const;
    loads.set("other", new Load((n) => calls[n % calls.length]!(), everyMs));
  },
  async stopLoad(name: string): Promise<CallOutcome[]> {
    const load = loads.get(name);
    loads.delete(name);
    return (await load?.stop()) ?? [];
  },
  watchUntilGone: (watched: Watched) => watchUntilGone(service, watched),
  /** The events so far. */
  events: () => events,
  /** The events since the last time. */
  takeEvents: () => events.splice(0),
  leaves: () => events.filter(({ type }) => type === "leave"),
  eventCounts: () => eventCounts,
  errors: () => errors,
  memory: () => heapInUse(),
};

async function outcome(call: () => Promise<unknown>): Promise<CallOutcome> {
  return sendable(await attempt(call));
}

serveParent(api);
