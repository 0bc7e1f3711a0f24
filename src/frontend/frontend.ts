import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { checkName } from "../arguments.js";
import { Bound } from "../bound.js";
import { checkCluster } from "../cluster/check-cluster.js";
import { startParts, stopParts } from "../cluster/parts.js";
import { reportError, reportGap } from "../diagnostics.js";
import { GlobalChannelError, isGlobalChannelError, sidTaken } from "../errors.js";
import { aBoolean, aFunction, leaseMs, optional, resolveOptions } from "../options.js";
import type {
  Cluster,
  ClusterInput,
  Connector,
  ConnectorHost,
  FrontendInfo,
  FrontendReplies,
  FrontendReply,
  FrontendRequest,
  LeaveReason,
  Unsubscribe,
} from "../types.js";
import { checkConnector } from "./check-connector.js";
import { Delivery } from "./delivery.js";
import { Fence } from "./fence.js";
import { FrontendHistory } from "./frontend-history.js";
import { FrontendDiagnostics } from "./frontend-diagnostics.js";
import { Lease } from "./lease.js";
import { MissedPushes } from "./missed-pushes.js";
import { Mirror, type MirrorSource } from "./mirror.js";
import { Residents } from "./residents.js";

/** What the application does with a client's message. What it throws or rejects is reported, and breaks nothing. */
export type MessageHandler = (uid: string, route: string, msg: unknown) => unknown;

export interface FrontendOptions {
  /** The id of this frontend, unique in the cluster. */
  sid: string;
  /** Its type: pushes name the type that they are for. */
  stype: string;
  cluster: ClusterInput;
  /** Holds the client connections. */
  connector: Connector;
  /** Gets the messages that clients send. @default they are dropped */
  onMessage?: MessageHandler;
  /**
   * How long the cluster believes that this frontend is alive after it last said so, in milliseconds; it says so three times
   * as often. The time in which a crash is noticed. @default 3000
   */
  leaseMs?: number;
  /**
   * Whether users leave their channels when their last session here closes, and when a push finds that they have none.
   * @default true
   */
  autoLeave?: boolean;
}

/** For how long it is waited, at the end, for what is on its way, in milliseconds. */
const PATIENCE_MS = 1000;

/** How many requests may have arrived and not be answered: pushes that wait for members to be read, or for the connector. */
const MAX_UNANSWERED = 10_000;

/**
 * A process that holds client connections. It keeps a lease, receives pushes, hands them to its connector, and takes its
 * users out of their channels when their last session here closes.
 *
 * Errors that nobody waits for are told on the diagnostics channel `globalchannel:error`; on others it tells of its lease, of changes
 * that it may have missed, and where it handles late what comes in, or has too much of it (`GC_OVERLOADED`).
 */
export class Frontend {
  readonly sid: string;
  readonly stype: string;
  /** The cluster as it was given: for a service beside this frontend, whose parts are started once then. */
  readonly cluster: ClusterInput;
  readonly connector: Connector;
  /** Whether users leave their channels when their last session here closes. */
  readonly autoLeave: boolean;
  /** Names this life of the frontend: a restarted one has another. */
  readonly incarnation = randomBytes(9).toString("base64url");
  readonly #cluster: Cluster;
  readonly #onMessage: MessageHandler | undefined;
  readonly #info: FrontendInfo;
  readonly #mirror: Mirror | undefined;
  readonly #residents: Residents;
  readonly #delivery: Delivery;
  readonly #history: FrontendHistory | undefined;
  readonly #inbox: Bound;
  readonly #diagnostics: FrontendDiagnostics;
  readonly #lease: Lease;
  readonly #fence: Fence;
  readonly #missed: MissedPushes;
  #unserve: Unsubscribe | undefined;
  #starting: Promise<void> | undefined;
  #stopping: Promise<void> | undefined;

  /** @throws `GC_INVALID_OPTION` */
  constructor(options: FrontendOptions) {
    const resolved = resolveOptions("Frontend", options, {
      sid: checkName,
      stype: checkName,
      cluster: checkCluster,
      connector: checkConnector,
      onMessage: optional(aFunction<MessageHandler>()),
      leaseMs,
      autoLeave: aBoolean(true),
    });
    const { sid, stype, cluster, connector, onMessage, autoLeave } = resolved;
    this.sid = sid;
    this.stype = stype;
    this.cluster = options.cluster;
    this.#cluster = cluster;
    this.connector = connector;
    this.autoLeave = autoLeave;
    this.#onMessage = onMessage;
    const { manager, registry, transport } = cluster;
    this.#info = { sid, stype, incarnation: this.incarnation, holder: `pid ${process.pid} on ${hostname()}` };
    const report = (error: unknown): void => reportError(this, error);
    this.#missed = new MissedPushes(() => this.#tell(() => connector.missed?.()));
    if (manager.capabilities?.versions) {
      this.#mirror = new Mirror(manager as MirrorSource, sid, {
        change: (change) => this.#residents.noticeChange(change),
        dropped: (name, uids, mayBeLost) => this.#residents.noticeDropped(name, uids, mayBeLost),
        undone: (name, uids) => this.#residents.noticeUndone(name, uids),
        absent: (name, uids) => this.#residents.ended(name, uids),
        gap: (gap) => {
          reportGap(this, "changes");
          this.#missed.note();
          this.#residents.missed(gap);
          this.#lease.check();
        },
        ...(connector.joined && { joined: (uid, name) => this.#tell(() => connector.joined!(uid, name)) }),
        ...(connector.left && { left: (uid, name) => this.#tell(() => connector.left!(uid, name)) }),
      });
    }
    this.#inbox = new Bound({ source: this, queue: "inbox", limit: MAX_UNANSWERED, what: "requests not answered" });
    this.#diagnostics = new FrontendDiagnostics(this, this.#info, this.#mirror);
    this.#lease = new Lease({
      registry,
      frontend: this.#info,
      leaseMs: resolved.leaseMs,
      lapsed: () => this.#fence.close(),
      held: () => this.#fence.open(),
      renewed: (state, askedAt) => {
        // Nobody was told to push to members that the store has lost, nor to those of a frontend that was taken for dead.
        if (state !== "held") this.#missed.note();
        return this.#missed.lookAfter(() => this.#residents.reconcile(state, askedAt));
      },
      observed: (state, ms) => this.#diagnostics.lease(state, ms),
      lost: (holder) => this.#yield(holder),
      report,
    });
    this.#residents = new Residents({
      manager,
      frontend: this.#info,
      mirror: this.#mirror,
      autoLeave,
      lease: this.#lease,
      report,
    });
    const opened = (): void => this.#missed.note();
    this.#fence = new Fence({ sid, transport, lease: this.#lease, opened, report });
    this.#delivery = new Delivery({
      manager,
      sid,
      mirror: this.#mirror,
      connector,
      residents: this.#residents,
      fence: this.#fence,
      report,
    });
    const { history } = cluster;
    // Without a mirror nobody would say when a user joins.
    if (history && this.#mirror) {
      const delivered = (): Promise<void> => this.#delivery.idle();
      this.#history = new FrontendHistory({ cluster, history, sid, stype, delivered });
    }
  }

  /**
   * Joins the cluster: reserves the sid, removes what an earlier incarnation has left, opens the connector, and is live when
   * this resolves. If an earlier incarnation has crashed just now, this waits for its lease to end, 1.2 × `leaseMs` at most.
   * @throws `GC_INVALID_OPTION` the manager declares a capability and has not its methods; nothing was started;
   *   `GC_SID_IN_USE` a live frontend has this sid; `GC_SID_TAKEN` one took it while this one was starting; `GC_CLOSED`
   *   after {@link stop}; what the cluster's parts throw.
   *   After a failed start everything is undone, and `start` may be called again.
   */
  start(): Promise<void> {
    if (this.#stopping) return Promise.reject(new GlobalChannelError("GC_CLOSED", "this frontend has been stopped"));
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = undefined;
      throw error;
    });
    return this.#starting;
  }

  /**
   * Leaves the cluster cleanly: no push targets this frontend any more, those that have arrived are delivered, its members
   * leave their channels (reason `disconnect`), and its clients are closed. What cannot be done is done by others, as after a
   * crash: the `sid` is given back last. Calling it again returns the same promise.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #start(): Promise<void> {
    const { transport } = this.#cluster;
    await startParts(this.#cluster);
    const undo: (() => unknown)[] = [() => stopParts(this.#cluster, true)];
    try {
      await this.#lease.reserve();
      undo.push(() => this.#lease.release());
      // Before changes are listened to: members of an earlier incarnation are none of this one's, and do not come back to it.
      await this.#evict("server-down");
      await this.#mirror?.start();
      undo.push(() => this.#mirror?.stop());
      this.#unserve = await transport.serve(this.sid, (request) => this.#receive(request));
      undo.push(() => this.#unserve?.());
      await this.connector.start?.(this.#host());
      undo.push(() => this.connector.stop?.());
      await this.#lease.hold();
      this.#diagnostics.start();
    } catch (error) {
      for (const step of undo.toReversed()) {
        try {
          await step();
        } catch (failure) {
          reportError(this, failure);
        }
      }
      throw error;
    }
  }

  async #stop(): Promise<void> {
    const started = await this.#starting?.then(
      () => true,
      () => false,
    );
    if (!started) return;
    this.#diagnostics.stop();
    if (this.#cluster.manager.capabilities?.eviction) this.#residents.leaveToEviction();
    const failures: unknown[] = [];
    for (const step of [
      () => this.#retire(),
      // What has been sent by now is delivered. Then the inbox is who has the sid next's alone.
      () => this.#delivery.idle(),
      () => this.#unserve?.(),
      () => this.connector.stop?.(),
      () => this.#residents.idle(),
      async () => {
        // Where one of these fails, others evict once the lease has ended.
        if (!this.#lease.isRetired) await this.#retire();
        await this.#evict("disconnect");
        await this.#lease.release();
      },
      () => this.#mirror?.stop(),
      () => stopParts(this.#cluster, false),
    ]) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }

  /** Is not live any more, and takes in what was sent before; a transport that hangs holds nobody up. */
  async #retire(): Promise<void> {
    await this.#lease.retire();
    if (!this.#lease.isTaken) this.#fence.release();
    const fenced = Promise.resolve(this.#cluster.transport.fence?.(this.sid)).catch((error: unknown) => {
      reportError(this, error);
    });
    await Promise.race([fenced, sleep(PATIENCE_MS, undefined, { ref: false })]);
  }

  /** Takes everyone out who is a member here: of an earlier incarnation at the start, of this one at the end. */
  async #evict(reason: LeaveReason): Promise<void> {
    const { manager } = this.#cluster;
    // The members here are another incarnation's now.
    if (this.#lease.isTaken) return;
    if (manager.capabilities?.eviction) await manager.evict?.(this.#info, reason);
    else await this.#residents.leaveAll(reason);
  }

  /** Another process holds the sid now: going on would deliver to users who are its business. */
  #yield(holder: string): void {
    reportError(this, sidTaken(this.sid, holder));
    this.stop().catch((error: unknown) => reportError(this, error));
  }

  #receive(request: FrontendRequest): FrontendReply | Promise<FrontendReply> {
    if (!this.#fence.isOpen) return this.#fence.refuseArrival();
    try {
      const reply = this.#inbox.run(() => this.#handle(request));
      if (reply instanceof Promise) reply.catch(() => this.#missed.note());
      return reply;
    } catch (error) {
      this.#missed.note();
      throw error;
    }
  }

  #handle(request: FrontendRequest): FrontendReply | Promise<FrontendReply> {
    switch (request.type) {
      case "push":
        return this.#delivery.push(request);
      case "disconnect":
        return this.#delivery.disconnect(request);
      case "channels":
        if (!this.#mirror) {
          throw new GlobalChannelError(
            "GC_UNSUPPORTED",
            "this frontend's manager has no versions, so it keeps no mirror",
          );
        }
        return this.#channelsOf(this.#mirror, request.uid);
    }
  }

  async #channelsOf(mirror: Mirror, uid: string): Promise<FrontendReplies["channels"]> {
    await mirror.catchUp();
    return { names: mirror.channelsOf(uid) };
  }

  #host(): ConnectorHost {
    const mirror = this.#mirror;
    return {
      sid: this.sid,
      opened: (uid) => this.#residents.opened(uid),
      closed: (uid) => this.#residents.closed(uid),
      message: (uid, route, msg) => this.#handOver(uid, route, msg),
      ...(mirror && { channelsOf: (uid: string) => mirror.channelsOf(uid) }),
      history: this.#history,
      error: (error) => reportError(this, error),
    };
  }

  /** Tells the connector: what it throws must not end what is under way. */
  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      reportError(this, error);
    }
  }

  async #handOver(uid: string, route: string, msg: unknown): Promise<void> {
    try {
      await this.#onMessage?.(uid, route, msg);
    } catch (cause) {
      const error = isGlobalChannelError(cause)
        ? cause
        : new GlobalChannelError("GC_LISTENER_FAILED", `onMessage failed for route ${JSON.stringify(route)}`, {
            cause,
          });
      reportError(this, error);
    }
  }
}
