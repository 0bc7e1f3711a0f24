// A backend server of the cluster tests.
import diagnostics from "node:diagnostics_channel";
import { GlobalChannelService, isGlobalChannelError, type MembershipEvent, type PushReport } from "../../src/index.js";
import { redis } from "../../src/redis/index.js";
import { serveParent } from "../support/process.js";

export type BackendApi = typeof api;

export interface CallOutcome {
  ms: number;
  report?: PushReport;
  error?: { code: string; temporary: boolean; report?: PushReport };
}

const { url, ...options } = JSON.parse(process.argv[2]!) as { url: string; graceMs?: number; timeoutMs?: number };
const errors: string[] = [];
diagnostics.subscribe("globalchannel:error", (message) => errors.push(String((message as { error: Error }).error)));

const service = new GlobalChannelService({ cluster: redis(url), ...options });
const leaves: MembershipEvent[] = [];
service.on("leave", (event) => leaves.push(event));

async function attempt(call: () => Promise<unknown>): Promise<CallOutcome> {
  const startedAt = performance.now();
  try {
    const result = await call();
    return { ms: performance.now() - startedAt, report: plain(result as PushReport) };
  } catch (error) {
    const ms = performance.now() - startedAt;
    if (!isGlobalChannelError(error)) return { ms, error: { code: String(error), temporary: false } };
    const { code, temporary, report } = error;
    return { ms, error: { code, temporary, ...(report !== undefined && { report: plain(report as PushReport) }) } };
  }
}

/** What can be sent to the parent as it is. */
function plain(report: PushReport): PushReport {
  return JSON.parse(JSON.stringify(report)) as PushReport;
}

let load: { stop: boolean; outcomes: CallOutcome[]; done: Promise<void> } | undefined;

const api = {
  start: () => service.start(),
  stop: () => service.stop(),
  addMany: (members: { name: string; uid: string; sid: string }[]) => service.addMany(members),
  leave: (name: string, uid: string, sid: string) => service.leave(name, uid, sid),
  count: (name: string) => service.count(name),
  members: (name: string) => service.getMembersByChannelName("connector", name),
  sids: (uid: string) => service.getSids(uid),
  channels: (uid: string) => service.getChannels(uid),
  push: (route: string, msg: unknown, name: string | string[], except: string[] = []) =>
    attempt(() => service.pushMessage("connector", route, msg, name, { except })),
  /** Pushes many messages without waiting in between. */
  pushAll: (pushes: { route: string; msg: unknown; name: string }[]) =>
    Promise.all(
      pushes.map(({ route, msg, name }) => attempt(() => service.pushMessage("connector", route, msg, name))),
    ),
  broadcast: (route: string, msg: unknown) => attempt(() => service.broadcast("connector", route, msg)),
  tryAdd: (name: string, uid: string, sid: string) => attempt(() => service.add(name, uid, sid)),
  /** Pushes numbered messages, `everyMs`, until {@link api.stopLoad}. */
  startLoad(name: string, everyMs: number): void {
    const outcomes: CallOutcome[] = [];
    const running = { stop: false, outcomes, done: Promise.resolve() };
    running.done = (async () => {
      const pending = new Set<Promise<void>>();
      for (let n = 0; !running.stop; n++) {
        const push = attempt(() => service.pushMessage("connector", "load", n, name)).then(
          (outcome) => void outcomes.push(outcome),
        );
        pending.add(push);
        void push.then(() => pending.delete(push));
        await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
      await Promise.all(pending);
    })();
    load = running;
  },
  async stopLoad(): Promise<CallOutcome[]> {
    if (!load) return [];
    load.stop = true;
    await load.done;
    return load.outcomes;
  },
  leaves: () => leaves,
  errors: () => errors,
  memory: () => process.memoryUsage().heapUsed,
};

serveParent(api);
