import { GlobalChannelError, isGlobalChannelError } from "../errors.js";
import type { ChannelPush, Cluster, FrontendId, FrontendInfo, PushedFrontend, PushTarget } from "../types.js";
import { Turnstile } from "./turnstile.js";
import { addFrontend, emptyReport, type PushReport } from "./push-report.js";

/** A push as all its ways share it. */
export type PushMessage = Omit<ChannelPush, "names">;

/** One frontend's part in a push, and how to list whom it was for, should it not answer (undefined: it cannot be known). */
interface Part extends PushedFrontend {
  list: (() => Promise<string[]>) | undefined;
}

/** The part of its deadline after which a push begins to list the members of frontends that have not answered. */
const LISTING_FROM = 0.75;

/** Sends pushes and accounts for every member that they were for. */
export class Pusher {
  readonly #cluster: Cluster;
  /** Reads of different pushes may take different times; what they send keeps the order of the calls. */
  readonly #turnstile = new Turnstile();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Pushes to the members of channels, one copy per user. */
  async toChannels(names: readonly string[], push: PushMessage): Promise<PushReport> {
    const startedAt = performance.now();
    const parts = await this.#sendToChannels({ ...push, names });
    return collect(parts, push.timeoutMs, startedAt);
  }

  /** Pushes to users, at every frontend of the type where they have sessions. */
  async toUsers(uids: readonly string[], push: PushMessage): Promise<PushReport> {
    const startedAt = performance.now();
    const { manager, registry } = this.#cluster;
    const except = new Set(push.except);
    const wanted = [...new Set(uids)].filter((uid) => !except.has(uid));
    const reads = Promise.all([registry.list(), manager.getSessions?.(wanted) ?? []]);
    let absent: string[] = [];
    const parts = await this.#turnstile.pass(reads, ([live, sessions]) => {
      const places = locate(wanted, sessions, ofType(live, push.stype));
      absent = places.absent;
      return [...places.bySid].map(([sid, there]) => this.#send(sid, { uids: there }, there, { ...push, except: [] }));
    });
    const report = await collect(parts, push.timeoutMs, startedAt);
    report.targeted += absent.length;
    report.failed += absent.length;
    for (const uid of absent) report.failIds.push(uid);
    return report;
  }

  /** Pushes to everyone who has a session at a frontend of the type. */
  async toEveryone(push: PushMessage): Promise<PushReport> {
    const startedAt = performance.now();
    const { manager, registry } = this.#cluster;
    const parts = await this.#turnstile.pass(Promise.resolve(registry.list()), (live) =>
      ofType(live, push.stype).map(({ sid }) => ({
        ...this.#send(sid, { everyone: true }, [], push),
        list: undefined,
      })),
    );
    if (manager.capabilities?.presence) {
      // Only of use where a frontend does not answer, so that a failure to count fails nothing else.
      const counts = await Promise.resolve(manager.countUsers?.(parts.map(({ sid }) => sid))).catch(() => undefined);
      parts.forEach((part, index) => (part.count = counts?.[index] ?? 0));
    }
    return collect(parts, push.timeoutMs, startedAt);
  }

  /** Sends each frontend with members its request: all in one step where the cluster has one for that, else in two. */
  async #sendToChannels(push: ChannelPush): Promise<Part[]> {
    const { manager, registry, transport, fusedPush } = this.#cluster;
    const parts = fusedPush?.parts;
    if (parts && parts.manager === manager && parts.registry === registry && parts.transport === transport) {
      const frontends = await fusedPush.push(push);
      return frontends.map((frontend) => ({
        ...frontend,
        list: () => this.#listMembers(push.names, frontend.sid, push.except),
      }));
    }
    return manager.capabilities?.versions ? this.#sendVersions(push) : this.#sendUids(push);
  }

  /** Tells each frontend the versions of its member sets; it knows its members itself. */
  #sendVersions(push: ChannelPush): Promise<Part[]> {
    const { manager, registry } = this.#cluster;
    const reads = Promise.all([
      registry.list(),
      Promise.all(push.names.map((name) => manager.getMemberSets?.(name) ?? [])),
    ]);
    return this.#turnstile.pass(reads, ([live, sets]) => {
      const targets = new Map(
        ofType(live, push.stype).map(({ sid }) => [
          sid,
          { channels: [] as { name: string; version: string }[], count: 0 },
        ]),
      );
      push.names.forEach((name, index) => {
        for (const { sid, version, count } of sets[index] ?? []) {
          const target = targets.get(sid);
          target?.channels.push({ name, version });
          if (target) target.count += count;
        }
      });
      return [...targets]
        .filter(([, { channels }]) => channels.length > 0)
        .map(([sid, { channels, count }]) => ({
          ...this.#send(sid, { channels }, [], push),
          count,
          list: () => this.#listMembers(push.names, sid, push.except),
        }));
    });
  }

  /** Tells each frontend the uids of its members: the way for managers that keep no versions. */
  #sendUids(push: ChannelPush): Promise<Part[]> {
    const reads = (async () => {
      const live = ofType(await this.#cluster.registry.list(), push.stype);
      return Promise.all(
        live.map(async ({ sid }) => ({ sid, uids: await this.#listMembers(push.names, sid, push.except) })),
      );
    })();
    return this.#turnstile.pass(reads, (frontends) =>
      frontends
        .filter(({ uids }) => uids.length > 0)
        .map(({ sid, uids }) => this.#send(sid, { uids }, uids, { ...push, except: [] })),
    );
  }

  #send(sid: string, target: PushTarget, uids: readonly string[], push: PushMessage): Part {
    const { route, body, except, timeoutMs } = push;
    const request = { type: "push", target, route, body, ...(except.length > 0 && { except }) } as const;
    const reply = this.#cluster.transport.request(sid, request, { timeoutMs });
    // It may fail before anyone waits for it.
    reply.catch(() => {});
    return { sid, count: uids.length, reply, list: () => Promise.resolve([...uids]) };
  }

  async #listMembers(names: readonly string[], sid: string, except: readonly string[]): Promise<string[]> {
    const sets = await Promise.all(names.map((name) => this.#cluster.manager.getMembersBySid(name, sid)));
    const uids = new Set(sets.flat());
    for (const uid of except) uids.delete(uid);
    return [...uids];
  }
}

/** Groups users by the frontends where they have sessions. */
function locate(
  uids: readonly string[],
  sessions: readonly FrontendId[][],
  frontends: readonly FrontendInfo[],
): { bySid: Map<string, string[]>; absent: string[] } {
  const incarnations = new Map(frontends.map(({ sid, incarnation }) => [sid, incarnation]));
  const bySid = new Map<string, string[]>();
  const absent: string[] = [];
  uids.forEach((uid, index) => {
    const places = (sessions[index] ?? []).filter(({ sid, incarnation }) => incarnations.get(sid) === incarnation);
    if (places.length === 0) absent.push(uid);
    for (const { sid } of places) {
      const there = bySid.get(sid);
      if (there) there.push(uid);
      else bySid.set(sid, [uid]);
    }
  });
  return { bySid, absent };
}

function ofType(frontends: readonly FrontendInfo[], stype: string): FrontendInfo[] {
  return frontends.filter((frontend) => frontend.stype === stype);
}

/** Waits for every frontend's answer or its failure. */
async function collect(parts: readonly Part[], timeoutMs: number, startedAt: number): Promise<PushReport> {
  const report = emptyReport();
  if (parts.length === 0) return report;
  const msLeft = (share: number): number => Math.max(0, startedAt + timeoutMs * share - performance.now());
  const listings = new Map<Part, Promise<string[]>>();
  const unanswered = new Set(parts);
  const listUnanswered = setTimeout(() => {
    for (const part of unanswered) {
      const listing = part.list?.();
      if (!listing) continue;
      listing.catch(() => {});
      listings.set(part, listing);
    }
  }, msLeft(LISTING_FROM));

  const failures: GlobalChannelError[] = [];
  await Promise.all(
    parts.map(async (part) => {
      const { sid, count } = part;
      try {
        const { delivered, failed } = await part.reply;
        const targeted = delivered + failed.length;
        addFrontend(report, { sid, targeted, delivered, failed: failed.length, unknown: 0 }, failed);
      } catch (cause) {
        const error = toGlobalChannelError(cause, sid);
        failures.push(error);
        const uids = await within(listings.get(part) ?? part.list?.(), msLeft(1));
        const targeted = uids?.length ?? count;
        const state = isKnownNotDelivered(error) ? { failed: targeted, unknown: 0 } : { failed: 0, unknown: targeted };
        addFrontend(report, { sid, targeted, delivered: 0, ...state, error }, uids ?? []);
      } finally {
        unanswered.delete(part);
      }
    }),
  );
  clearTimeout(listUnanswered);
  if (failures.length === parts.length) throw allFailed(report, failures);
  return report;
}

/** The value, or undefined if it is not there in time or cannot be had. Something that is there already counts as in time. */
async function within<T>(value: Promise<T> | undefined, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([value, late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

function isKnownNotDelivered({ code }: GlobalChannelError): boolean {
  return code === "GC_FRONTEND_UNREACHABLE" || code === "GC_FRONTEND_ERROR";
}

function toGlobalChannelError(cause: unknown, sid: string): GlobalChannelError {
  if (isGlobalChannelError(cause)) return cause;
  const message = `the transport failed for frontend ${JSON.stringify(sid)}: ${String(cause)}`;
  return new GlobalChannelError("GC_FRONTEND_ERROR", message, { cause, sid });
}

function allFailed(report: PushReport, failures: readonly GlobalChannelError[]): GlobalChannelError {
  const reasons = [...new Set(failures.map(({ message }) => message))].slice(0, 3).join("; ");
  return new GlobalChannelError("GC_PUSH_FAILED", `every targeted frontend failed: ${reasons}`, {
    cause: failures[0],
    report,
    temporary: failures.every(({ temporary }) => temporary),
  });
}
