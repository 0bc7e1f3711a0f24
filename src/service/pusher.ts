import { timedOut } from "../errors.js";
import type {
  ChannelPush,
  Cluster,
  DisconnectOptions,
  FrontendId,
  FrontendInfo,
  FrontendReplies,
  FrontendRequest,
  FusedPush,
  MemberSetInfo,
  PushTarget,
  ReplyTo,
  SentPush,
} from "../types.js";
import { collect, type Part } from "./collect.js";
import { Deadline } from "./deadline.js";
import { MemberReader, type MemberCopies } from "./member-reader.js";
import { absentUsers, emptyReport, type PushReport } from "./push-report.js";
import { SharedReads } from "../shared-reads.js";
import { Turnstile } from "../turnstile.js";

/** A push as all its ways share it. */
export type PushMessage = Omit<ChannelPush, "names">;

/** What is to be done to the sessions of users. */
interface DisconnectCall extends DisconnectOptions {
  stype: string;
  timeoutMs: number;
}

/** A part of a push that the transport has been asked to send. */
interface PromisedPart extends Part {
  /** The frontend's answer; nothing where none is waited for, once it is sent. */
  reply: Promise<FrontendReplies["push"] | void>;
  /** An answer that comes all the same: a transport without `send` cannot do without. */
  late?: Promise<FrontendReplies["push"]> | undefined;
}

type Push = Extract<FrontendRequest, { type: "push" }>;

/** The turnstile's key of pushes that name no channel; channels have no empty names. */
const USERS = "";

interface PusherOptions {
  cluster: Cluster;
  /** Whether members whom their frontends do not know are taken out, where the frontends do not do that themselves. */
  autoLeave: boolean;
  report: (error: unknown) => void;
  /** Is given what goes on after a push is done. It may reject. */
  track: (late: Promise<unknown>) => void;
}

/** Sends pushes and accounts for every member that they were for. */
export class Pusher {
  readonly #cluster: Cluster;
  readonly #autoLeave: boolean;
  readonly #report: (error: unknown) => void;
  readonly #track: (late: Promise<unknown>) => void;
  readonly #members: MemberReader;
  readonly #sets: SharedReads<MemberSetInfo[]>;
  /** Who missed pushes that a frontend failed, by {@link listKey}: it mostly fails all that it was sent at the same time. */
  readonly #lists: SharedReads<readonly string[]>;
  /** Reads of different pushes may take different times; what they send keeps the order of the calls. */
  readonly #turnstile = new Turnstile();

  constructor({ cluster, autoLeave, report, track }: PusherOptions) {
    this.#cluster = cluster;
    this.#autoLeave = autoLeave;
    this.#report = report;
    this.#track = track;
    this.#members = new MemberReader(cluster.manager);
    this.#sets = new SharedReads(async (name) => (await cluster.manager.getMemberSets?.(name)) ?? []);
    this.#lists = new SharedReads((key) => this.#listNow(key));
  }

  /** Pushes to the members of channels, one copy per user. */
  toChannels(names: readonly string[], push: PushMessage): Promise<PushReport> {
    const deadline = new Deadline(push.timeoutMs);
    const sending = this.#sendToChannels({ ...push, names }, deadline);
    return collect(
      sending,
      deadline,
      emptyReport(),
      ({ sid, uids }) => (uids ? Promise.resolve(uids) : this.#listMembers(names, sid, push.except)),
      // A user counts in each of the channels.
      (count) => Math.ceil(count / names.length) - push.except.length,
    );
  }

  /** Pushes to users, at every frontend of the type where they have sessions. */
  toUsers(uids: readonly string[], push: PushMessage): Promise<PushReport> {
    return this.#toSessionsOf(without(uids, push.except), push, (sid, there, deadline) =>
      this.#send(sid, { uids: there }, there, { ...push, except: [] }, deadline),
    );
  }

  /** Closes the sessions of users at every frontend of the type. */
  disconnect(uids: readonly string[], { stype, timeoutMs, close }: DisconnectCall): Promise<PushReport> {
    const call = { stype, timeoutMs, ack: true };
    return this.#toSessionsOf(without(uids, []), call, (sid, there, deadline) => {
      const reply = this.#request(sid, { type: "disconnect", uids: there, close }, deadline);
      return promised({ sid, count: there.length, uids: there, reply });
    });
  }

  /** Sends to every frontend of the type where some of these users have sessions. */
  async #toSessionsOf(
    uids: readonly string[],
    call: Pick<PushMessage, "stype" | "timeoutMs" | "ack">,
    send: (sid: string, uids: readonly string[], deadline: Deadline) => PromisedPart,
  ): Promise<PushReport> {
    const deadline = new Deadline(call.timeoutMs);
    const { manager, registry } = this.#cluster;
    const reads = Promise.all([registry.list(), manager.getSessions?.(uids) ?? []]);
    let absent: string[] = [];
    const parts = await this.#inTurn([USERS], deadline, reads, ([live, sessions]) => {
      const places = locate(uids, sessions, ofType(live, call.stype));
      absent = places.absent;
      return [...places.bySid].map(([sid, there]) => send(sid, there, deadline));
    });
    return collect(sentBy(parts, call), deadline, absentUsers(absent), (part) => Promise.resolve(part.uids ?? []));
  }

  /** Pushes to everyone who has a session at a frontend of the type. */
  async toEveryone(push: PushMessage): Promise<PushReport> {
    const deadline = new Deadline(push.timeoutMs);
    const { manager, registry } = this.#cluster;
    const parts = await this.#inTurn([USERS], deadline, Promise.resolve(registry.list()), (live) =>
      ofType(live, push.stype).map((frontend) => ({
        ...this.#send(frontend.sid, { everyone: true }, undefined, push, deadline),
        isCounted: frontend.incarnation !== "",
      })),
    );
    if (manager.capabilities?.presence) {
      // Only of use where a frontend does not answer, so that a failure to count fails nothing else.
      const counting = (async () => manager.countUsers?.(parts.map(({ sid }) => sid)))();
      const counts = await deadline.bound(counting, () => "counting users").catch(() => undefined);
      // A frontend without an incarnation does not tell who is there.
      for (const [index, part] of parts.entries()) part.count = part.isCounted ? counts?.[index] : undefined;
    }
    return collect(sentBy(parts, push), deadline, emptyReport(), () => undefined);
  }

  /** Sends each frontend with members its request: all in one step where the cluster has one for that, else in two. */
  #sendToChannels(push: ChannelPush, deadline: Deadline): Promise<SentPush<Part>> {
    const { manager, transport, fusedPush } = this.#cluster;
    if (push.names.length === 0) return Promise.resolve(sentBy([], push));
    if (fusedPush && push.names.length <= fusedPush.maxNames) return this.#sendFused(fusedPush, push, deadline);
    const canNameVersions = manager.capabilities?.versions && !transport.limits?.uidsOnly;
    const parts = canNameVersions ? this.#sendVersions(push, deadline) : this.#sendUids(push, deadline);
    return parts.then((sent) => sentBy(sent, push));
  }

  /** In one step: at once, unless a push that takes two would be overtaken. */
  #sendFused(fusedPush: FusedPush, push: ChannelPush, deadline: Deadline): Promise<SentPush<Part>> {
    if (this.#turnstile.isFree(push.names)) return fusedPush.push(push);
    // In an object: who comes next need not wait until it is sent.
    const turn = this.#inTurn(push.names, deadline, Promise.resolve(), () => {
      const timeoutMs = deadline.msLeft();
      return { sending: timeoutMs > 0 ? fusedPush.push({ ...push, timeoutMs }) : undefined };
    });
    // Where it was too late, that is what the turn has failed with.
    return turn.then(({ sending }) => sending!);
  }

  /** Tells each frontend the versions of its member sets; it knows its members itself. */
  #sendVersions(push: ChannelPush, deadline: Deadline): Promise<PromisedPart[]> {
    const reads = Promise.all([
      this.#cluster.registry.list(),
      Promise.all(push.names.map((name) => this.#sets.read(name))),
    ]);
    return this.#inTurn(push.names, deadline, reads, ([live, sets]) => {
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
          ...this.#send(sid, { channels }, undefined, push, deadline),
          count,
        }));
    });
  }

  /** Tells each frontend the uids of its members: the way where it cannot know them itself. */
  #sendUids(push: ChannelPush, deadline: Deadline): Promise<PromisedPart[]> {
    const reads = (async () => {
      const sids = ofType(await this.#cluster.registry.list(), push.stype).map(({ sid }) => sid);
      if (sids.length === 0) return { sids, channels: [] };
      return { sids, channels: await Promise.all(push.names.map((name) => this.#members.read(name, sids))) };
    })();
    return this.#inTurn(push.names, deadline, reads, ({ sids, channels }) => {
      const parts: PromisedPart[] = [];
      for (const sid of sids) {
        const uids = unite(channels, sid, push.except);
        if (uids.length === 0) continue;
        const part = this.#send(sid, { uids }, uids, { ...push, except: [] }, deadline);
        this.#repairAfter(part, push.names, channels);
        parts.push(part);
      }
      return parts;
    });
  }

  /** Takes users whom their frontend does not know out of the channels, unless they are added again meanwhile. */
  #repairAfter({ sid, reply, late }: PromisedPart, names: readonly string[], channels: readonly MemberCopies[]): void {
    const { manager } = this.#cluster;
    if (!this.#autoLeave || !manager.capabilities?.versions) return;
    const repair = async (failed: readonly string[] = []): Promise<void> => {
      if (failed.length === 0) return;
      const unknown = new Set(failed);
      for (const [index, name] of names.entries()) {
        const { version, uids = [] } = channels[index]?.get(sid) ?? {};
        const gone = uids.filter((uid) => unknown.has(uid));
        if (version !== undefined && gone.length > 0) await manager.leaveIfUnchanged?.(name, sid, gone, version);
      }
    };
    // Why a reply fails is told in the push report.
    (late ?? reply).then(
      (answer) => void repair(answer?.failed).catch(this.#report),
      () => {},
    );
  }

  /** Sends when the reads are done and it is this push's turn, both before the deadline; after it nothing is sent. */
  #inTurn<T, R>(keys: readonly string[], deadline: Deadline, reads: Promise<T>, send: (value: T) => R): Promise<R> {
    let step = "reading who is to get the push";
    const read = deadline.bound(reads, () => step);
    const done = (): void => void (step = "waiting for the pushes before");
    read.then(done, () => {});
    return deadline.bound(this.#turnstile.pass(keys, read, send), () => step);
  }

  #send(
    sid: string,
    target: PushTarget,
    uids: readonly string[] | undefined,
    { route, body, except, ack }: PushMessage,
    deadline: Deadline,
  ): PromisedPart {
    const request = { type: "push", target, route, body, ...(except.length > 0 && { except }) } as const;
    const sent = ack ? { reply: this.#request(sid, request, deadline) } : this.#sendOff(sid, request, deadline);
    return promised({ sid, count: uids?.length, ...sent, ...(uids && { uids }) });
  }

  /** Sends a frontend a request whose answer is not waited for. */
  #sendOff(sid: string, request: Push, deadline: Deadline): Pick<PromisedPart, "reply" | "late"> {
    const { transport } = this.#cluster;
    if (deadline.msLeft() === 0) return { reply: Promise.reject(timedOut(sid, deadline.timeoutMs)) };
    if (!transport.send) {
      const late = this.#request(sid, request, deadline);
      this.#track(late);
      return { reply: Promise.resolve(), late };
    }
    const sending = (async () => transport.send!(sid, request))();
    const what = `sending to ${JSON.stringify(sid)}`;
    return { reply: deadline.bound(sending, () => what, "whether it was sent is not known") };
  }

  /** Asks a frontend. What the transport throws, or that it is too late, is this frontend's failure and not the whole push's. */
  #request<R extends FrontendRequest>(sid: string, request: R, deadline: Deadline): Promise<ReplyTo<R>> {
    const timeoutMs = deadline.msLeft();
    if (timeoutMs === 0) return Promise.reject(timedOut(sid, deadline.timeoutMs));
    const answer = new Promise<ReplyTo<R>>((resolve) => {
      resolve(this.#cluster.transport.request(sid, request, { timeoutMs }));
    });
    // A transport may forget its own time limit.
    return deadline.bound(answer, () => `frontend ${JSON.stringify(sid)}`, "whether it was handled is not known");
  }

  async #listMembers(names: readonly string[], sid: string, except: readonly string[]): Promise<readonly string[]> {
    const uids = await this.#lists.read(listKey(sid, names));
    return except.length === 0 ? uids : without(uids, except);
  }

  async #listNow(key: string): Promise<readonly string[]> {
    const [sid, ...names] = JSON.parse(key) as [string, ...string[]];
    const sets = await Promise.all(names.map((name) => this.#cluster.manager.getMembersBySid(name, sid)));
    return [...new Set(sets.flat())];
  }
}

/** A part whose reply may fail before anyone waits for it, or after everyone has given up. */
function promised(part: PromisedPart): PromisedPart {
  part.reply.catch(() => {});
  return part;
}

/** The key of the members of channels at a frontend, each once. */
function listKey(sid: string, names: readonly string[]): string {
  return JSON.stringify([sid, ...names]);
}

function sentBy(parts: readonly PromisedPart[], { ack }: Pick<PushMessage, "ack">): SentPush<Part> {
  return {
    parts,
    listen(listener) {
      for (const { sid, reply } of parts) {
        reply.then(
          // What a transport gives that is no answer, the listener notices.
          (answer) => (ack ? listener.answered(sid, answer!) : listener.sent(sid)),
          (error: unknown) => listener.failed(sid, error),
        );
      }
    },
  };
}

/** The members at a frontend of any of these channels, each once, without some. */
function unite(channels: readonly MemberCopies[], sid: string, except: readonly string[]): readonly string[] {
  if (channels.length === 1 && except.length === 0) return channels[0]?.get(sid)?.uids ?? [];
  return without(new Set(channels.flatMap((copies) => copies.get(sid)?.uids ?? [])), except);
}

/** Users, without some. */
function without(uids: Iterable<string>, except: readonly string[]): string[] {
  const left = new Set(uids);
  for (const uid of except) left.delete(uid);
  return [...left];
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
