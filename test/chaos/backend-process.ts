// A backend server of the chaos suite: does what it is told, and keeps what it sees.
import { GlobalChannelService, isGlobalChannelError, type PushReport } from "../../src/index.js";
import { redis } from "../../src/redis/index.js";
import { monotonicMs } from "../support/monotonic.js";
import { serveParent } from "../support/process.js";
import type { Audience, Call, Change, Edge, Outcome, Report, Seen } from "./history.js";
import { LoopDelay } from "./loop-delay.js";
import { STYPE } from "./settings.js";

export type BackendApi = typeof api;

export interface BackendConfig {
  url: string;
  timeoutMs: number;
  graceMs: number;
  reapIntervalMs: number;
}

const { url, ...options } = JSON.parse(process.argv[2]!) as BackendConfig;
const service = new GlobalChannelService({ cluster: redis(url), ...options });
const loop = new LoopDelay();
const seen: Omit<Seen, "backend">[] = [];
const edges: Omit<Edge, "backend">[] = [];
const callbacks = new Map<number, number>();

for (const type of ["join", "leave"] as const) {
  service.on(type, ({ name, uid, sid, reason }) => seen.push({ at: monotonicMs(), type, name, uid, sid, reason }));
}
for (const type of ["channel-created", "channel-emptied"] as const) {
  service.on(type, ({ name }) => edges.push({ at: monotonicMs(), type, name }));
}

function numbersOf({ targeted, delivered, failed, unknown, unlisted, failIds, frontends }: PushReport): Report {
  const parts = frontends.map((part) => ({
    sid: part.sid,
    targeted: part.targeted,
    delivered: part.delivered,
    failed: part.failed,
    unknown: part.unknown,
  }));
  return { targeted, delivered, failed, unknown, unlisted, failIds, frontends: parts };
}

function send(id: number, audience: Audience, except: readonly string[]): Promise<PushReport> {
  const callback = () => callbacks.set(id, (callbacks.get(id) ?? 0) + 1);
  callbacks.set(id, 0);
  const message = { push: id };
  if ("names" in audience) return service.pushMessage(STYPE, "chaos", message, audience.names, { except }, callback);
  if ("uids" in audience) return service.pushToUsers(STYPE, "chaos", message, audience.uids, { except }, callback);
  return service.broadcast(STYPE, "chaos", message, { except }, callback);
}

/** Any other error is a mistake of this suite, or worse. */
function codeOf(error: unknown): string {
  if (!isGlobalChannelError(error)) throw error;
  return error.code;
}

type Result = Pick<Call, "status" | "code">;

async function resultOf(call: () => Promise<unknown>): Promise<Result> {
  try {
    await call();
    return { status: "ok" };
  } catch (error) {
    return { status: "maybe", code: codeOf(error) };
  }
}

const api = {
  start: () => service.start(),

  async push(id: number, audience: Audience, except: readonly string[]): Promise<Outcome> {
    const sending = send(id, audience, except);
    // Not before: this process may be stopped in between, and the deadline of the push is counted from the call.
    const deadline = monotonicMs() + options.timeoutMs;
    const late = () => {
      const now = monotonicMs();
      return { lateMs: Math.max(0, now - deadline), blockedMs: loop.between(deadline, now) };
    };
    try {
      const report = await sending;
      return { ...late(), report: numbersOf(report) };
    } catch (error) {
      const measured = late();
      const report = isGlobalChannelError(error) ? (error.report as PushReport | undefined) : undefined;
      return { ...measured, code: codeOf(error), report: report && numbersOf(report) };
    }
  },

  async change(
    type: Change["type"],
    name: string,
    uid: string,
    sid: string,
  ): Promise<Result & Pick<Change, "changed">> {
    let changed: boolean | undefined;
    const result = await resultOf(async () => {
      changed = await (type === "join" ? service.add(name, uid, sid) : service.leave(name, uid, sid));
    });
    return { ...result, changed };
  },

  destroy: (name: string): Promise<Result> => resultOf(() => service.destroyChannel(name)),

  /** Each as `uid@sid`; undefined where they cannot be read now. */
  async members(name: string): Promise<string[] | undefined> {
    const found = new Set<string>();
    try {
      for await (const { uid, sid } of service.members(name)) found.add(`${uid}@${sid}`);
    } catch (error) {
      codeOf(error);
      return undefined;
    }
    return [...found];
  },

  sids: (uid: string) => service.getSids(uid),

  /** What it has seen, and how often each push called back. */
  collect: () => ({ seen, edges, callbacks, heapBytes: process.memoryUsage().heapUsed }),
};

serveParent(api);
