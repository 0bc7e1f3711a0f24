import { describe } from "../../arguments.js";
import { GlobalChannelError } from "../../errors.js";
import type { ConnectorHost } from "../../types.js";
import type { AnyNamespace, AnySocket } from "./options.js";
import type { Session } from "./session.js";
import type { Sessions } from "./sessions.js";

/** The part of a `GlobalChannelService` that makes members. */
export interface MembershipService {
  add(name: string, uid: string, sid: string): Promise<boolean>;
  leave(name: string, uid: string, sid: string): Promise<boolean>;
}

/** Rooms that are channels: who joins one is in both. See {@link SocketIoConnector.rooms}. */
export interface ChannelRooms {
  /**
   * Makes the socket's user a member of the channel: all of its sockets at this frontend are in the room when this resolves; where
   * the frontend hears of it late, that is waited for for a second. Resolves false if it was a member already. 1 round trip.
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
  admit({ uid, socket }: Session): void {
    const rooms = this.#channelsOf(uid);
    if (socket.recovered) this.#leaveOthers(socket, rooms);
    for (const room of rooms) this.#change("join", socket, room);
  }

  /** Its connection is lost: Socket.IO may bring it back into all of its rooms, though its user has left some of the channels. */
  lost({ uid, socket }: Session): void {
    const data: unknown = socket.data;
    // Without an assignment, which would throw if the application has frozen it.
    if (isRecord(data)) Reflect.set(data, LOST_ROOMS, this.#channelsOf(uid));
  }

  #leaveOthers(socket: AnySocket, rooms: readonly string[]): void {
    const data: unknown = socket.data;
    const before = isRecord(data) ? data[LOST_ROOMS] : undefined;
    if (!Array.isArray(before)) return;
    Reflect.deleteProperty(data as object, LOST_ROOMS);
    for (const room of before as string[]) if (!rooms.includes(room)) this.#change("leave", socket, room);
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
    // A socket's own room is named by its id: what is for that socket alone is for nobody else.
    if (this.#options.namespace.sockets.has(room)) return;
    const changed = socket[change](room);
    if (changed instanceof Promise) changed.catch((error: Error) => this.#options.host()?.error(error));
  }

  #channelsOf(uid: string): readonly string[] {
    return this.#options.host()?.channelsOf?.(uid) ?? [];
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
    const isTold = (): boolean => this.#channelsOf(uid).includes(room) === isMember;
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
