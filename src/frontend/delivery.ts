import { GlobalChannelError } from "../errors.js";
import type {
  Awaitable,
  ChannelManager,
  Connector,
  DeliveredToAll,
  FrontendRequest,
  PushTarget,
  Undelivered,
  UsersReply,
  Version,
} from "../types.js";
import type { Fence } from "./fence.js";
import type { Mirror } from "./mirror.js";
import type { Residents } from "./residents.js";

type Push = Extract<FrontendRequest, { type: "push" }>;
type Disconnect = Extract<FrontendRequest, { type: "disconnect" }>;

interface DeliveryOptions {
  manager: ChannelManager;
  sid: string;
  mirror: Mirror | undefined;
  connector: Connector;
  residents: Residents;
  fence: Pick<Fence, "isOpen" | "refuse">;
  report: (error: unknown) => void;
}

/** Hands pushes, and who is to be disconnected, to the connector, in the order in which they arrive. */
export class Delivery {
  readonly #options: DeliveryOptions;
  /** Settles when the last of the waiting pushes is done; undefined while none waits. */
  #tail: Promise<unknown> | undefined;

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /** Delivers one push: at once if its members are here and nothing waits before it. */
  push(push: Push): Reply {
    const deliver = (receivers: Receivers): Reply => this.#deliver(push, receivers);
    if (this.#tail) return this.#enqueue(() => this.#resolve(push.target), deliver);
    const receivers = this.#resolve(push.target);
    return receivers instanceof Promise ? this.#enqueue(() => receivers, deliver) : deliver(receivers);
  }

  /** Closes users' sessions, once the pushes that have arrived before are delivered. */
  disconnect(request: Disconnect): Reply {
    const disconnect = (uids: ReadonlySet<string>): Reply => this.#disconnect(uids, request);
    const uids = new Set(request.uids);
    return this.#tail ? this.#enqueue(() => uids, disconnect) : disconnect(uids);
  }

  /** Resolves when every push that has arrived is handed to the connector. */
  async idle(): Promise<void> {
    await this.#tail;
  }

  #enqueue<R>(resolve: () => R | Promise<R>, handOver: (receivers: R) => Reply): Promise<UsersReply> {
    // In an object: the next one need not wait for an answer that is a promise, only until this one is handed over.
    const handedOver = (this.#tail ?? Promise.resolve()).then(async () => {
      const receivers = await resolve();
      // It may have waited for long.
      const { fence } = this.#options;
      return { reply: fence.isOpen ? handOver(receivers) : fence.refuse() };
    });
    const settled = handedOver
      .catch(() => {})
      .then(() => {
        if (this.#tail === settled) this.#tail = undefined;
      });
    this.#tail = settled;
    return handedOver.then(({ reply }) => reply);
  }

  #deliver(push: Push, receivers: Receivers): Reply {
    const { connector } = this.#options;
    if (receivers === "everyone") {
      const delivered = connector.deliverToAll(push, new Set(push.except));
      return typeof delivered === "number" ? replyToAll(delivered) : Promise.resolve(delivered).then(replyToAll);
    }
    const all = union(receivers);
    const uids = push.except?.length ? without(all, push.except) : all;
    // The set may change while an asynchronous connector works.
    const { size } = uids;
    const undelivered = this.#handOver(uids, push, receivers);
    if (Array.isArray(undelivered)) {
      const reply = replyTo(size, undelivered);
      if (reply.failed.length > 0) this.#repair(this.#versionsOf(push.target), reply.failed);
      return reply;
    }
    // Whoever is added again while the connector works has made a later version than these.
    const versions = this.#versionsOf(push.target);
    return Promise.resolve(undelivered).then((late) => {
      const reply = replyTo(size, late);
      if (reply.failed.length > 0) this.#repair(versions, reply.failed);
      return reply;
    });
  }

  /**
   * Each user is told where the message is in the histories of its own channels alone: those of a push to several are sorted by which of
   * them they are in. That is what was found when the push came: while it waited, they may have left, or the store may have lost them, and
   * one who was told nothing would get it again.
   */
  #handOver(uids: ReadonlySet<string>, push: Push, sets: Sets): Awaitable<Undelivered> {
    const { connector, mirror } = this.#options;
    const { positions = [], target } = push;
    const isOfAll = "channels" in target && target.channels.length === 1;
    if (positions.length === 0 || isOfAll || !mirror) return connector.deliver(uids, push);
    const channels = "channels" in target ? target.channels : [];
    const setsOfPositions = positions.map(
      ({ name }) =>
        sets[channels.findIndex((channel) => channel.name === name)] ?? { has: (uid: string) => mirror.has(name, uid) },
    );
    const groups = new Map<string, Set<string>>();
    for (const uid of uids) {
      const own = setsOfPositions.map((set) => (set.has(uid) ? "+" : "-")).join("");
      groups.set(own, (groups.get(own) ?? new Set()).add(uid));
    }
    const parts = Array.from(groups, ([own, members]) =>
      connector.deliver(members, { ...push, positions: positions.filter((_position, index) => own[index] === "+") }),
    );
    return parts.length === 1 ? parts[0]! : uniteUndelivered(parts);
  }

  #disconnect(uids: ReadonlySet<string>, { close }: Disconnect): Reply {
    const { connector, sid } = this.#options;
    if (!connector.disconnectUsers) {
      throw new GlobalChannelError("GC_UNSUPPORTED", "this frontend's connector cannot disconnect users", { sid });
    }
    const absent = connector.disconnectUsers(uids, { close });
    return Promise.resolve(absent).then((late) => replyTo(uids.size, late));
  }

  #resolve(target: PushTarget): Receivers | Promise<Receivers> {
    if ("everyone" in target) return "everyone";
    if ("uids" in target) return [new Set(target.uids)];
    const { mirror } = this.#options;
    if (!mirror) {
      throw new GlobalChannelError("GC_UNSUPPORTED", "this frontend's manager has no versions: a push must carry uids");
    }
    const sets = target.channels.map(({ name, version }) => mirror.resolve(name, version));
    const ready = sets.filter((set): set is ReadonlySet<string> => !(set instanceof Promise));
    return ready.length === sets.length ? ready : Promise.all(sets);
  }

  /** The versions at which the members of the channels are known now. */
  #versionsOf(target: PushTarget): { name: string; version: Version | undefined }[] {
    const { mirror } = this.#options;
    if (!mirror || !("channels" in target)) return [];
    return target.channels.map(({ name }) => ({ name, version: mirror.versionOf(name) }));
  }

  /** Takes users who have no session here out of the channels that they were sought in, unless they were added again. */
  #repair(versions: readonly { name: string; version: Version | undefined }[], failed: readonly string[]): void {
    const { manager, sid, mirror, residents, report } = this.#options;
    for (const { name, version } of versions) {
      const gone = failed.filter((uid) => mirror?.has(name, uid) && !residents.mayStay(uid));
      if (version === undefined || gone.length === 0) continue;
      Promise.resolve(manager.leaveIfUnchanged?.(name, sid, gone, version)).catch(report);
    }
  }
}

/** The members of each channel of a push, or users. They may change later. */
type Sets = readonly ReadonlySet<string>[];
type Receivers = Sets | "everyone";
type Reply = UsersReply | Promise<UsersReply>;

function replyTo(size: number, undelivered: Undelivered): UsersReply {
  const { failed, unknown = [] } = "failed" in undelivered ? undelivered : { failed: undelivered };
  return { delivered: size - failed.length - unknown.length, failed, ...(unknown.length > 0 && { unknown }) };
}

function replyToAll(delivered: number | DeliveredToAll): UsersReply {
  return { failed: [], ...(typeof delivered === "number" ? { delivered } : delivered) };
}

async function uniteUndelivered(parts: readonly Awaitable<Undelivered>[]): Promise<Undelivered> {
  const all = (await Promise.all(parts)).map((part) => ("failed" in part ? part : { failed: part, unknown: [] }));
  return { failed: all.flatMap(({ failed }) => failed), unknown: all.flatMap(({ unknown = [] }) => unknown) };
}

function union(sets: Sets): ReadonlySet<string> {
  const [first, ...others] = sets;
  if (!first || others.length === 0) return first ?? new Set();
  const all = new Set(first);
  for (const set of others) {
    for (const uid of set) all.add(uid);
  }
  return all;
}

function without(uids: ReadonlySet<string>, except: readonly string[]): ReadonlySet<string> {
  const rest = new Set(uids);
  for (const uid of except) rest.delete(uid);
  return rest;
}
