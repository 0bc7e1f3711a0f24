import { checkId, checkName } from "../../arguments.js";
import { diagnostics } from "../../diagnostics.js";
import { GlobalChannelError } from "../../errors.js";
import type {
  ClientMessage,
  Connector,
  ConnectorHost,
  DeliveredToAll,
  DisconnectOptions,
  Undelivered,
} from "../../types.js";
import { servesAlready, tell } from "../host.js";
import { Acknowledgements } from "./acknowledgements.js";
import { closeSoon, cutOff } from "./closing.js";
import { checkEventName } from "./event-name.js";
import { type AnyNamespace, type AnySocket, resolveSocketIoOptions, type SocketIoConnectorOptions } from "./options.js";
import { isInOwnRoom, splitByOwnRoom, toAlone } from "./own-rooms.js";
import { type ChannelRooms, type MembershipService, RoomsInStep } from "./rooms.js";
import type { Session } from "./session.js";
import { Sessions } from "./sessions.js";

export type { AnyNamespace, AnyServer, AnySocket, SocketIoConnectorOptions } from "./options.js";
export type { ChannelRooms, MembershipService } from "./rooms.js";

/** What a {@link SocketIoConnector} has now, and what it has done since it was made. */
export interface SocketIoConnectorStats {
  /** Open sessions: connected sockets of whom it is known whose they are. */
  sessions: number;
  /** Users who have open sessions. */
  users: number;
  /** Sessions closed because the client could not keep up with what it was sent. */
  slowClosed: number;
  /** Sessions closed because the client sent more than was handled. */
  floodClosed: number;
}

/**
 * Serves the clients of a Socket.IO 4 server. A push with route R is what `socket.emit(R, msg)` is, to every socket of each user. It
 * is encoded once and written by the broadcast of the server's adapter, to sockets of this server only.
 *
 * What a client emits is handed to the frontend's `onMessage` with the first argument of the event, beside the application's own
 * listeners, and before its `socket.use` could refuse it; acknowledgements that the client asks for are theirs to give. A client of
 * which 1,000 messages are not handled yet is closed. Events without a valid name (`checkName`) are the application's alone.
 *
 * A client that the connector closes, as it is too slow or the frontend stops, connects again by itself, perhaps elsewhere. One that
 * `service.disconnectUsers` closes does not ("io server disconnect").
 */
export class SocketIoConnector implements Connector {
  readonly #options: ReturnType<typeof resolveSocketIoOptions>;
  readonly #namespace: AnyNamespace;
  readonly #sessions = new Sessions();
  readonly #acknowledgements: Acknowledgements;
  /** Kept in step with channels, if they are to be. */
  readonly #rooms: RoomsInStep | undefined;
  readonly joined?: (uid: string, name: string) => void;
  readonly left?: (uid: string, name: string) => void;
  #host: ConnectorHost | undefined;
  #slowClosed = 0;
  #floodClosed = 0;

  /** @throws `GC_INVALID_OPTION` */
  constructor(options: SocketIoConnectorOptions) {
    this.#options = resolveSocketIoOptions(options);
    this.#namespace = this.#options.io;
    this.#acknowledgements = new Acknowledgements(this.#namespace, this.#options.acknowledgeTimeoutMs);
    if (!this.#options.rooms) return;
    const rooms = new RoomsInStep({
      namespace: this.#namespace,
      sessions: this.#sessions,
      host: () => this.#host,
    });
    this.#rooms = rooms;
    this.joined = (uid, name) => rooms.joined(uid, name);
    this.left = (uid, name) => rooms.left(uid, name);
  }

  get stats(): SocketIoConnectorStats {
    const { count, userCount } = this.#sessions;
    return { sessions: count, users: userCount, slowClosed: this.#slowClosed, floodClosed: this.#floodClosed };
  }

  /**
   * Takes the sockets that are connected, and those that connect from now on.
   * @throws `GC_INVALID_ARGUMENT` if it serves a frontend already; `GC_UNSUPPORTED` with `rooms` where the manager lacks `versions`
   */
  start(host: ConnectorHost): void {
    if (this.#host) throw servesAlready("SocketIoConnector", this.#host, host.sid);
    if (this.#rooms && !host.channelsOf) {
      throw new GlobalChannelError(
        "GC_UNSUPPORTED",
        "rooms need a channel manager with the capability versions: others do not tell who joins",
      );
    }
    this.#host = host;
    this.#namespace.on("connection", this.#admit);
    for (const socket of this.#namespace.sockets.values()) this.#admit(socket);
  }

  /** Closes all sessions, whose clients may connect again, and takes no more. Resolves when all are closed. */
  async stop(): Promise<void> {
    this.#namespace.off("connection", this.#admit);
    await Promise.all(this.#sessions.all().map(({ socket }) => closeSoon(socket)));
    this.#host = undefined;
  }

  /** See {@link Connector.deliver}. @throws `GC_INVALID_ARGUMENT` the route is an event of Socket.IO's own */
  deliver(uids: ReadonlySet<string>, message: ClientMessage): Undelivered | Promise<Undelivered> {
    const { receivers, failed } = this.#receivers(uids);
    const unknown = this.#emit(message, receivers);
    return unknown ? unknown.then((users) => ({ failed, unknown: users })) : failed;
  }

  /** See {@link Connector.deliverToAll}. @throws as {@link deliver} */
  deliverToAll(message: ClientMessage, except: ReadonlySet<string>): number | Promise<DeliveredToAll> {
    const uids = [...this.#sessions.uids()].filter((uid) => !except.has(uid));
    const { receivers, failed } = this.#receivers(uids);
    const count = uids.length - failed.length;
    const unknown = this.#emit(message, receivers);
    return unknown ? unknown.then((users) => ({ delivered: count - users.length, unknown: users })) : count;
  }

  /** See {@link Connector.disconnectUsers}. */
  disconnectUsers(uids: ReadonlySet<string>, { close }: DisconnectOptions): string[] {
    const absent: string[] = [];
    for (const uid of uids) {
      const sessions = this.#sessions.of(uid);
      if (sessions.length === 0) absent.push(uid);
      for (const { socket } of sessions) socket.disconnect(close);
    }
    return absent;
  }

  /**
   * Helpers to join and leave rooms that are channels: for those who think in rooms.
   * @throws `GC_INVALID_OPTION` the connector was not made with `rooms: true`
   */
  rooms(service: MembershipService): ChannelRooms {
    if (!this.#rooms) {
      throw new GlobalChannelError("GC_INVALID_OPTION", "SocketIoConnector: rooms is false; it must be true for this", {
        argument: "rooms",
      });
    }
    return this.#rooms.with(service);
  }

  /** The sessions of these users that can take a message, and the users who have none. */
  #receivers(uids: Iterable<string>): { receivers: Session[]; failed: string[] } {
    const receivers: Session[] = [];
    const failed: string[] = [];
    for (const uid of uids) {
      const before = receivers.length;
      for (const session of this.#sessions.of(uid)) if (this.#canTake(session)) receivers.push(session);
      if (receivers.length === before) failed.push(uid);
    }
    return { receivers, failed };
  }

  #canTake(session: Session): boolean {
    // What is being closed takes nothing, and does not say so.
    const { socket } = session;
    if (socket.conn.readyState !== "open" || !isInOwnRoom(this.#namespace, socket)) return false;
    if (!session.isTooSlow(this.#options.maxBufferedBytes)) return true;
    this.#slowClosed++;
    if (diagnostics.slowClient.hasSubscribers) {
      diagnostics.slowClient.publish({ connector: this, uid: session.uid, bufferedBytes: session.buffered });
    }
    cutOff(socket.conn);
    return false;
  }

  /** Writes the message. Where clients acknowledge it, resolves the users of whom none has. */
  #emit({ route, body }: ClientMessage, receivers: readonly Session[]): Promise<string[]> | undefined {
    checkEventName("route", route);
    if (receivers.length === 0) return undefined;
    const msg: unknown = JSON.parse(body);
    if (this.#options.acknowledge(route)) return this.#acknowledgements.emit(route, msg, receivers);
    const { rooms, crowded } = splitByOwnRoom(this.#namespace, receivers);
    // No rooms at all would be everyone.
    if (rooms.length > 0) this.#namespace.local.to(rooms).emit(route, msg);
    for (const { socket } of crowded) toAlone(this.#namespace, socket).emit(route, msg);
    return undefined;
  }

  readonly #admit = (socket: AnySocket): void => {
    const uid = this.#identify(socket);
    // The application may have disconnected it by now, or have started this connector as it came.
    if (uid === undefined || !socket.connected || this.#sessions.at(socket)) return;
    const session = this.#sessions.add(uid, socket);
    const receive = (event: unknown, msg: unknown): void => this.#receive(session, event, msg);
    socket.onAny(receive);
    socket.once("disconnecting", () => this.#rooms?.lost(session));
    socket.once("disconnect", () => {
      socket.offAny(receive);
      this.#sessions.delete(session);
      this.#acknowledgements.closed(session);
      this.#tell((host) => host.closed(uid));
    });
    this.#tell((host) => host.opened(uid));
    this.#rooms?.admit(session);
  };

  #identify(socket: AnySocket): string | undefined {
    try {
      const uid = this.#options.uid(socket);
      return uid === undefined || uid === null ? undefined : checkId("uid", uid);
    } catch (error) {
      this.#tell((host) => host.error(error as Error));
      return undefined;
    }
  }

  #receive(session: Session, event: unknown, arg: unknown): void {
    let route: string;
    try {
      route = checkName("route", event);
    } catch {
      return;
    }
    // An event without arguments may have the callback for its acknowledgement there.
    const msg = typeof arg === "function" ? undefined : arg;
    this.#tell((host) => session.handle(host.message(session.uid, route, msg), () => this.#closeFlooding(session)));
  }

  #closeFlooding({ uid, socket }: Session): void {
    if (!socket.connected) return;
    this.#floodClosed++;
    this.#host!.error(
      new GlobalChannelError("GC_OVERLOADED", `${JSON.stringify(uid)} sends more than is handled; it is closed`),
    );
    cutOff(socket.conn);
  }

  #tell(call: (host: ConnectorHost) => void): void {
    tell("SocketIoConnector", this.#host!, call);
  }
}
