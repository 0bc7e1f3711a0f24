import { timedOut } from "../errors.js";
import type {
  Appended,
  ChannelPush,
  Cluster,
  DisconnectOptions,
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
import { Keeping } from "./keeping.js";
import { MemberReader, type MemberCopies } from "./member-reader.js";
import { absentUsers, emptyReport, type PushReport } from "./push-report.js";
import { locate, ofType, unite, without } from "./push-targets.js";
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
  /** Who missed pushes that a frontend failed, by sid and channels: it mostly fails all that it was sent at the same time. */
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
    const send = (sid: string, there: readonly string[], deadline: Deadline): PromisedPart =>
      this.#send(sid, { uids: there }, there, { ...push, except: [] }, deadline);
    return this.#toSessionsOf(without(uids, push.except), push, send, this.#keep([], push));
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
    keeping?: Keeping,
  ): Promise<PushReport> {
    const deadline = new Deadline(call.timeoutMs);
    const { manager, registry } = this.#cluster;
    const reads = Promise.all([registry.list(), manager.getSessions?.(uids) ?? [], keeping?.before]);
    let absent: string[] = [];
    const { parts, appended } = await this.#inTurn([USERS], deadline, reads, keeping, ([live, sessions]) => {
      const result = keeping?.result();
      if (result?.repeated !== undefined) return { parts: [], appended: result };
      const places = locate(uids, sessions, ofType(live, call.stype));
      absent = places.absent;
      return { parts: [...places.bySid].map(([sid, there]) => send(sid, there, deadline)), appended: result };
    });
    return collect(sentBy(parts, call, appended), deadline, absentUsers(absent), (part) =>
      Promise.resolve(part.uids ?? []),
    );
  }

  /** Pushes to everyone who has a session at a frontend of the type. */
  async toEveryone(push: PushMessage): Promise<PushReport> {
    const deadline = new Deadline(push.timeoutMs);
    const { manager, registry } = this.#cluster;
    const keeping = this.#keep([], push);
    const reads = Promise.all([registry.list(), keeping.before]);
    const { parts, appended } = await this.#inTurn([USERS], deadline, reads, keeping, ([live]) => {
      const result = keeping.result();
      const there = result?.repeated === undefined ? ofType(live, push.stype) : [];
      const sent = there.map((frontend) => ({
        ...this.#send(frontend.sid, { everyone: true }, undefined, push, deadline),
        isCounted: frontend.incarnation !== "",
      }));
      return { parts: sent, appended: result };
    });
    if (manager.capabilities?.presence) {
      // Only of use where a frontend does not answer, so that a failure to count fails nothing else.
      const counting = (async () => manager.countUsers?.(parts.map(({ sid }) => sid)))();
      const counts = await deadline.bound(counting, () => "counting users").catch(() => undefined);
      // A frontend without an incarnation does not tell who is there.
      for (const [index, part] of parts.entries()) part.count = part.isCounted ? counts?.[index] : undefined;
    }
    return collect(sentBy(parts, push, appended), deadline, emptyReport(), () => undefined);
  }

  /** Sends each frontend with members its request: all in one step where the cluster has one for that, else in two. */
  #sendToChannels(push: ChannelPush, deadline: Deadline): Promise<SentPush<Part>> {
    const { manager, transport, fusedPush, history } = this.#cluster;
    if (push.names.length === 0) return Promise.resolve(sentBy([], push));
    const canFuse = fusedPush !== undefined && push.names.length <= fusedPush.maxNames;
    if (canFuse && (!push.record || fusedPush.history === history)) return this.#sendFused(fusedPush, push, deadline);
    const keeping = this.#keep(push.names, push);
    if (canFuse) return this.#sendKept(fusedPush, push, keeping, deadline);
    const canNameVersions = manager.capabilities?.versions && !transport.limits?.uidsOnly;
    return canNameVersions ? this.#sendVersions(push, keeping, deadline) : this.#sendUids(push, keeping, deadline);
  }

  /** In one step: at once, unless a push that takes two would be overtaken. */
  #sendFused(fusedPush: FusedPush, push: ChannelPush, deadline: Deadline): Promise<SentPush<Part>> {
    if (this.#turnstile.isFree(push.names)) return fusedPush.push(push);
    // In an object: who comes next need not wait until it is sent.
    const turn = this.#inTurn(push.names, deadline, Promise.resolve(), undefined, () => ({
      sending: fusedPush.push({ ...push, timeoutMs: deadline.msLeft() }),
    }));
    return turn.then(({ sending }) => sending);
  }

  /** In one step, after what is to be kept of it. */
  async #sendKept(
    fusedPush: FusedPush,
    { record: _done, ...push }: ChannelPush,
    keeping: Keeping,
    deadline: Deadline,
  ): Promise<SentPush<Part>> {
    let isSent = false;
    const sending = (): void => void (isSent = true);
    const turn = this.#inTurn(push.names, deadline, Promise.resolve(keeping.before), keeping, () => {
      const { positions, repeated } = keeping.result()!;
      if (repeated !== undefined) return { sent: sentBy([], push) };
      return { sent: fusedPush.push({ ...push, timeoutMs: deadline.msLeft(), positions, sending }) };
    });
    const { sent } = await turn;
    try {
      return { ...(await sent), appended: keeping.result() };
    } catch (error) {
      if (!isSent) this.#release(keeping);
      throw error;
    }
  }

  /** Tells each frontend the versions of its member sets; it knows its members itself. */
  async #sendVersions(push: ChannelPush, keeping: Keeping, deadline: Deadline): Promise<SentPush<Part>> {
    const reads = Promise.all([
      this.#cluster.registry.list(),
      Promise.all(push.names.map((name) => this.#sets.read(name))),
      keeping.before,
    ]);
    return this.#inTurn(push.names, deadline, reads, keeping, ([live, sets]) => {
      const appended = keeping.result();
      if (appended?.repeated !== undefined) return sentBy([], push, appended);
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
      const parts = [...targets]
        .filter(([, { channels }]) => channels.length > 0)
        .map(([sid, { channels, count }]) => {
          const positions = appended?.positions.filter((kept) => channels.some(({ name }) => name === kept.name));
          return { ...this.#send(sid, { channels }, undefined, { ...push, positions }, deadline), count };
        });
      return sentBy(parts, push, appended);
    });
  }

  /** Tells each frontend the uids of its members: the way where it cannot know them itself. */
  async #sendUids(push: ChannelPush, keeping: Keeping, deadline: Deadline): Promise<SentPush<Part>> {
    const reads = (async () => {
      const sids = ofType(await this.#cluster.registry.list(), push.stype).map(({ sid }) => sid);
      if (sids.length === 0) return { sids, channels: [] };
      return { sids, channels: await Promise.all(push.names.map((name) => this.#members.read(name, sids))) };
    })();
    return this.#inTurn(push.names, deadline, Promise.all([reads, keeping.before]), keeping, ([{ sids, channels }]) => {
      const appended = keeping.result();
      if (appended?.repeated !== undefined) return sentBy([], push, appended);
      const parts: PromisedPart[] = [];
      for (const sid of sids) {
        const uids = unite(channels, sid, push.except);
        if (uids.length === 0) continue;
        // Which of the channels each of them is in, a frontend that knows channels knows.
        const kept = { ...push, except: [], positions: appended?.positions };
        const part = this.#send(sid, { uids }, uids, kept, deadline);
        this.#repairAfter(part, push.names, channels);
        parts.push(part);
      }
      return sentBy(parts, push, appended);
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

  #keep(names: readonly string[], push: PushMessage): Keeping {
    return new Keeping(this.#cluster.history, names, push);
  }

  /** Sends when the reads are done and it is this push's turn, both before the deadline; after it nothing is sent, though it may be kept. */
  async #inTurn<T, R>(
    keys: readonly string[],
    deadline: Deadline,
    reads: Promise<T>,
    keeping: Keeping | undefined,
    send: (value: T) => R,
  ): Promise<R> {
    let step = "reading who is to get the push";
    const after = keeping?.before ? "nothing was sent; whether it is kept is not known" : undefined;
    const read = deadline.bound(reads, () => step, after);
    const done = (): void => void (step = "waiting for the pushes before");
    read.then(done, () => {});
    let isSent = false;
    const turn = this.#turnstile.pass(keys, read, (value) => {
      deadline.check(step, after);
      isSent = true;
      return send(value);
    });
    try {
      return await deadline.bound(turn, () => step, after);
    } catch (error) {
      if (!isSent && keeping) this.#release(keeping);
      throw error;
    }
  }

  #release(keeping: Keeping): void {
    // A history of the user's own may hang: nobody waits for it.
    keeping.release().catch(this.#report);
  }

  #send(
    sid: string,
    target: PushTarget,
    uids: readonly string[] | undefined,
    { route, body, except, ack, positions, id, names }: PushMessage & Partial<Pick<ChannelPush, "names">>,
    deadline: Deadline,
  ): PromisedPart {
    const kept = positions?.length ? { positions, ...(id !== undefined && { id, names }) } : undefined;
    const request = { type: "push", target, route, body, ...(except.length > 0 && { except }), ...kept } as const;
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
    const uids = await this.#lists.read(JSON.stringify([sid, ...names]));
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

function sentBy(
  parts: readonly PromisedPart[],
  { ack }: Pick<PushMessage, "ack">,
  appended?: Appended,
): SentPush<Part> {
  return {
    parts,
    appended,
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
