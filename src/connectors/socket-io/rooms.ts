import { describe } from "../../arguments.js";
import { GlobalChannelError } from "../../errors.js";
import type { ConnectorHost } from "../../types.js";
import type { AnyNamespace, AnySocket } from "./options.js";
import type { Sessions } from "./sessions.js";

/** The part of a `GlobalChannelService` that makes members. */
export interface MembershipService {
  add(name: string, uid: string, sid: string): Promise<boolean>;
  leave(name: string, uid: string, sid: string): Promise<boolean>;
}

/** Rooms that are channels: who joins one is in both. See {@link SocketIoConnector.rooms}. */
export interface ChannelRooms {
  /**
   * Makes the socket's user a member of the channel: all of its sockets at this frontend are in the room when this resolves, or, where
   * the frontend does not hear of it, a second later. Resolves false if it was a member already. 1 round trip.
   * @throws `GC_INVALID_ARGUMENT` the socket has no session here, or the room no valid name; what `service.add` throws
   */
  join(socket: AnySocket, room: string): Promise<boolean>;
  /** Takes the socket's user out of the channel, and its sockets here out of the room. Resolves, costs and throws as `join`. */
  leave(socket: AnySocket, room: string): Promise<boolean>;
}

/** Where a socket's data names its rooms that are channels, while its connection is lost and may be recovered. */
const LOST_ROOMS = "globalchannel:rooms";

/** For how long it is waited until the frontend has heard of a change, in milliseconds: its caller need not know why it has not. */
const PATIENCE_MS = 1000;

interface RoomsInStepOptions {
  namespace: AnyNamespace;
  sessions: Sessions;
  host: () => ConnectorHost | undefined;
}

/** Keeps the rooms of Socket.IO in step with the channels of this frontend's users. */
export class RoomsInStep {
  readonly #options: RoomsInStepOptions;
  /** Those who wait until something is told of a user. */
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(options: RoomsInStepOptions) {
    this.#options = options;
  }

  /** The sockets of the user enter the room. */
  joined(uid: string, room: string): void {
    for (const { socket } of this.#options.sessions.of(uid)) this.#change("join", socket, room);
    this.#told(uid);
  }

  left(uid: string, room: string): void {
    for (const { socket } of this.#options.sessions.of(uid)) this.#change("leave", socket, room);
    this.#told(uid);
  }

  /** A socket that has just come enters the rooms of its user. */
  admit(socket: AnySocket, rooms: readonly string[]): void {
    if (socket.recovered) this.#takeOut(socket, rooms);
    for (const room of rooms) this.#change("join", socket, room);
  }

  /** Its connection is lost: Socket.IO may bring it back into all of its rooms, though its user has left some of the channels. */
  lost(socket: AnySocket, rooms: readonly string[]): void {
    const data: unknown = socket.data;
    const ofChannels = rooms.filter((room) => !this.#isOfOne(room));
    // Without an assignment, which would throw if the application has frozen it.
    if (isRecord(data)) Reflect.set(data, LOST_ROOMS, ofChannels);
  }

  #takeOut(socket: AnySocket, rooms: readonly string[]): void {
    const { namespace } = this.#options;
    const data: unknown = socket.data;
    const before = isRecord(data) ? data[LOST_ROOMS] : undefined;
    if (Array.isArray(before)) {
      Reflect.deleteProperty(data as object, LOST_ROOMS);
      for (const room of before as string[]) if (!rooms.includes(room)) this.#change("leave", socket, room);
    }
    // While it was away, the room of its id may have been that of a channel.
    for (const id of namespace.adapter.rooms.get(socket.id) ?? []) {
      const other = namespace.sockets.get(id);
      if (other && other !== socket) this.#do("leave", other, socket.id);
    }
  }

  with(service: MembershipService): ChannelRooms {
    return {
      join: async (socket, room) => {
        const { uid, sid } = this.#placeOf(socket);
        const isNew = await service.add(room, uid, sid);
        await this.#untilTold(uid, room, true);
        return isNew;
      },
      leave: async (socket, room) => {
        const { uid, sid } = this.#placeOf(socket);
        const wasThere = await service.leave(room, uid, sid);
        await this.#untilTold(uid, room, false);
        return wasThere;
      },
    };
  }

  #change(change: "join" | "leave", socket: AnySocket, room: string): void {
    if (!this.#isOfOne(room)) this.#do(change, socket, room);
  }

  #do(change: "join" | "leave", socket: AnySocket, room: string): void {
    const changed = socket[change](room);
    if (changed instanceof Promise) changed.catch((error: Error) => this.#options.host()?.error(error));
  }

  /** Whether it is a socket's own room, which is named by its id: what is for that socket alone is for nobody else. */
  #isOfOne(room: string): boolean {
    return this.#options.namespace.sockets.has(room);
  }

  #placeOf(socket: AnySocket): { uid: string; sid: string } {
    const uid = this.#options.sessions.at(socket)?.uid;
    const sid = this.#options.host()?.sid;
    if (uid !== undefined && sid !== undefined) return { uid, sid };
    throw new GlobalChannelError(
      "GC_INVALID_ARGUMENT",
      `socket ${describe(socket?.id)} has no session at this frontend; it must be connected, with a uid`,
      { argument: "socket" },
    );
  }

  /** Not done by who called: another may have changed it again by then, and what the frontend is told comes in turn. */
  async #untilTold(uid: string, room: string, isMember: boolean): Promise<void> {
    const isTold = (): boolean => this.#options.host()?.channelsOf(uid).includes(room) === isMember;
    if (isTold()) return;
    const waiting = this.#waiting.get(uid) ?? new Set();
    this.#waiting.set(uid, waiting);
    let look!: () => void;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, PATIENCE_MS);
      look = () => {
        if (!isTold()) return;
        clearTimeout(timer);
        resolve();
      };
      waiting.add(look);
    });
    waiting.delete(look);
    if (waiting.size === 0) this.#waiting.delete(uid);
  }

  #told(uid: string): void {
    for (const look of this.#waiting.get(uid) ?? []) look();
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
