import { checkId } from "../../arguments.js";
import { diagnostics } from "../../diagnostics.js";
import { GlobalChannelError } from "../../errors.js";
import type { ClientMessage, Connector, ConnectorHost, DeliveredToAll, Undelivered } from "../../types.js";
import { Heartbeat } from "../heartbeat.js";
import { servesAlready, tell } from "../host.js";
import { type GivenPositions, SessionHistory } from "../session-history.js";
import { SessionsByUser } from "../sessions-by-user.js";
import { hasPosition, readChannels, readPosition } from "./event-id.js";
import { encodeEvent } from "./events.js";
import { History } from "./history.js";
import type { AnyRequest, AnyResponse } from "./http-types.js";
import { resolveSseOptions, type SseConnectorOptions, type SseHistory } from "./options.js";
import {
  checkStatus,
  checkUnanswered,
  type Outcome,
  Session,
  type SessionOwner,
  type SseMessage,
  type SseSession,
} from "./session.js";

export type { SseConnectorOptions, SseHistory, SseMessage, SseSession };

/** What an {@link SseConnector} has now, and what it has done since it was made. */
export interface SseConnectorStats {
  /** Open sessions, kept ones among them. */
  sessions: number;
  /** Sessions whose connection is lost, and whose client may come back. */
  kept: number;
  /** Users who have sessions. */
  users: number;
  /** Connections cut because the client could not keep up. */
  slowClosed: number;
}

/** Of {@link SseConnector.handle}. */
export interface HandleOptions {
  /** What the request is answered with. `EventSource` of browsers takes no other than 200. @default 200 */
  status?: number;
}

/**
 * Serves clients over Server-Sent Events, on responses of any Node.js HTTP server: a push is an event with the route's name, and the
 * message's JSON as its data. A push is encoded once for all its receivers. Messages *from* clients are the application's own requests.
 *
 * A client is closed by the end of its response, and comes back by itself where it is an `EventSource`: whom to refuse then says who
 * calls {@link SseConnector.handle}.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export class SseConnector implements Connector {
  readonly #options: ReturnType<typeof resolveSseOptions>;
  readonly #owner: SessionOwner;
  readonly #sessions = new Set<Session>();
  readonly #users = new SessionsByUser<Session>();
  readonly #byHistory = new Map<string, Session>();
  /** The ends of connections whose sessions are closed. */
  readonly #ending = new Set<Promise<void>>();
  readonly #heartbeat = new Heartbeat();
  #host: ConnectorHost | undefined;
  #isStopping = false;
  #stopped: Promise<void> | undefined;
  #slowClosed = 0;

  /** @throws `GC_INVALID_OPTION` */
  constructor(options: SseConnectorOptions = {}) {
    this.#options = resolveSseOptions(options);
    const { retryMs, maxBufferedBytes, history } = this.#options;
    this.#owner = {
      maxBufferedBytes,
      keepMs: history?.ttlMs ?? 0,
      retryMs: () => Math.round(retryMs * (1 + Math.random())),
      slow: (session, bufferedBytes) => this.#tellSlow(session, bufferedBytes),
      closed: (session, gone) => this.#closed(session, gone),
    };
  }

  get stats(): SseConnectorStats {
    const kept = [...this.#byHistory.values()].filter((session) => session.isKept).length;
    return { sessions: this.#sessions.size, kept, users: this.#users.size, slowClosed: this.#slowClosed };
  }

  /** @throws `GC_INVALID_ARGUMENT` it serves a frontend already */
  start(host: ConnectorHost): void {
    if (this.#host) throw servesAlready("SseConnector", this.#host, host.sid);
    this.#host = host;
    this.#isStopping = false;
    this.#heartbeat.start(this.#options.heartbeatMs, (step) => this.#beat(step));
  }

  /** Closes all sessions, kept ones too, and takes no more. Resolves when all are gone: clients have one second to take what was sent. */
  async stop(): Promise<void> {
    if (this.#host && !this.#isStopping) this.#stopped = this.#stop();
    await this.#stopped;
  }

  /**
   * Makes the response the stream of a user's session, of whom the application knows who it is. With a history, a client that comes back
   * (`Last-Event-ID`) goes on with its session, if that is kept here and the same user's; else it gets an event `gap` first.
   * @param uid a string or a safe integer
   * @throws `GC_INVALID_ARGUMENT` the uid or the status is none, or the response is answered already; `GC_NOT_STARTED` before the frontend
   *   has started, and after it has stopped. Nothing is answered then
   */
  handle(request: AnyRequest, response: AnyResponse, uid: string | number, options: HandleOptions = {}): SseSession {
    const status = checkStatus(options.status ?? 200);
    const kept = this.sessionOf(request);
    if (kept?.uid === checkId("uid", uid) && kept.resume(request, response, status) !== undefined) return kept;
    const session = this.#accept(response, uid, readChannels(request));
    session.begin({ status });
    if (this.#options.history && hasPosition(request)) session.tellGap(null);
    return session;
  }

  /**
   * Opens a session and answers nothing yet: what is delivered to it waits for {@link SseSession.begin}. For what has to be done for a user
   * with a session, such as making it a member, before it is known whether it may have one. It takes no notice of `Last-Event-ID`: see
   * {@link sessionOf}.
   * @throws as {@link handle}
   */
  accept(response: AnyResponse, uid: string | number): SseSession {
    return this.#accept(response, uid, { positions: new Map() });
  }

  /** The session that this client has had, as its `Last-Event-ID` says, where it is kept here: see {@link SseSession.resume}. */
  sessionOf(request: AnyRequest): SseSession | undefined {
    const position = readPosition(request);
    return position && this.#byHistory.get(position.history);
  }

  /** See {@link Connector.deliver}. @throws `GC_INVALID_ARGUMENT` the route has more than one line */
  deliver(uids: ReadonlySet<string>, message: ClientMessage): Undelivered {
    const event = encodeEvent(message);
    const failed: string[] = [];
    const unknown: string[] = [];
    for (const uid of uids) {
      const outcome = writeToAll(this.#users.of(uid), event, message);
      if (outcome === "failed") failed.push(uid);
      else if (outcome === "kept") unknown.push(uid);
    }
    return unknown.length > 0 ? { failed, unknown } : failed;
  }

  /** See {@link Connector.deliverToAll}. @throws as {@link deliver} */
  deliverToAll(message: ClientMessage, except: ReadonlySet<string>): number | DeliveredToAll {
    const event = encodeEvent(message);
    let delivered = 0;
    const unknown: string[] = [];
    for (const [uid, sessions] of this.#users.entries()) {
      if (except.has(uid)) continue;
      const outcome = writeToAll(sessions, event, message);
      if (outcome === "written") delivered++;
      else if (outcome === "kept") unknown.push(uid);
    }
    return unknown.length > 0 ? { delivered, unknown } : delivered;
  }

  /** See {@link Connector.disconnectUsers}. */
  disconnectUsers(uids: ReadonlySet<string>): string[] {
    const absent: string[] = [];
    for (const uid of uids) {
      const sessions = this.#users.of(uid);
      if (sessions.length === 0) absent.push(uid);
      for (const session of sessions) void session.close();
    }
    return absent;
  }

  /** See {@link Connector.joined}. */
  joined(uid: string, name: string): void {
    for (const { channels } of this.#users.of(uid)) channels?.joined(name);
  }

  /** See {@link Connector.left}. */
  left(uid: string, name: string): void {
    for (const { channels } of this.#users.of(uid)) channels?.left(name);
  }

  /** See {@link Connector.missed}. */
  missed(): void {
    for (const { channels } of this.#sessions) channels?.lookForMissed();
  }

  #accept(response: AnyResponse, uid: string | number, given: GivenPositions): Session {
    const user = checkId("uid", uid);
    const host = this.#host;
    if (!host || this.#isStopping) {
      throw new GlobalChannelError("GC_NOT_STARTED", "SseConnector takes clients while its frontend is started");
    }
    checkUnanswered(response);
    const { maxBufferedBytes, history: kept } = this.#options;
    const history = kept && new History(kept.size, maxBufferedBytes);
    const step = this.#heartbeat.nextStep();
    const session = new Session(this.#owner, { uid: user, step, history, response });
    this.#sessions.add(session);
    this.#users.add(session);
    if (history) this.#byHistory.set(history.id, session);
    this.#followChannels(session, host, given);
    this.#tell(() => host.opened(user));
    return session;
  }

  /** Gives the session what it has missed of its channels. */
  #followChannels(session: Session, host: ConnectorHost, given: GivenPositions): void {
    if (!host.history) return;
    const { uid } = session;
    const channels = new SessionHistory(
      uid,
      host.history,
      {
        write: (message) => session.writeKept(encodeEvent(message)),
        writeLive: (message) => void session.write(encodeEvent(message), true),
        tell: (position, hasGap) => session.tellPosition(position, hasGap),
        drained: () => session.drained(),
        error: (error) => host.error(error as Error),
      },
      given,
    );
    session.follow(channels);
    for (const name of host.channelsOf?.(uid) ?? []) channels.joined(name);
  }

  async #stop(): Promise<void> {
    this.#heartbeat.stop();
    this.#isStopping = true;
    for (const session of this.#sessions) void session.close();
    // Those, too, that were closed before.
    await Promise.all(this.#ending);
    this.#host = undefined;
  }

  #closed(session: Session, gone: Promise<void>): void {
    this.#ending.add(gone);
    void gone.then(() => this.#ending.delete(gone));
    this.#sessions.delete(session);
    this.#users.delete(session);
    if (session.history) this.#byHistory.delete(session.history.id);
    this.#tell((host) => host.closed(session.uid));
  }

  #beat(step: number): void {
    for (const session of this.#sessions) if (session.step === step) session.beat();
  }

  #tellSlow({ uid }: Session, bufferedBytes: number): void {
    this.#slowClosed++;
    if (diagnostics.slowClient.hasSubscribers) diagnostics.slowClient.publish({ connector: this, uid, bufferedBytes });
  }

  #tell(call: (host: ConnectorHost) => void): void {
    tell("SseConnector", this.#host!, call);
  }
}

/** Writes to all the sessions of a user. Returns the best that has become of it. */
function writeToAll(sessions: readonly Session[], event: Buffer, message: ClientMessage): Outcome {
  let best: Outcome = "failed";
  for (const session of sessions) {
    const outcome = writeTo(session, event, message);
    if (outcome === "written" || best === "failed") best = outcome;
  }
  return best;
}

function writeTo(session: Session, event: Buffer, message: ClientMessage): Outcome {
  if (!session.channels || !message.positions?.length) return session.write(event);
  switch (session.channels.admit(message)) {
    case "write":
      return session.write(event, true);
    case "late":
      return session.write(event);
    case "held":
      return session.isClosed ? "failed" : "kept";
    case "had":
      return "written";
  }
}
