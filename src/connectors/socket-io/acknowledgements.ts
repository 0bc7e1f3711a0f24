import type { AnyNamespace, AnySocket } from "./options.js";
import { splitByOwnRoom, toAlone } from "./own-rooms.js";
import type { Session } from "./session.js";

/** An event. @see https://github.com/socketio/socket.io-protocol#event-packet */
const EVENT = 2;

/** A packet as an adapter takes it, which gives it its id. */
interface Packet {
  type: typeof EVENT;
  data: [route: string, msg: unknown];
  id?: number;
}

/** What a socket of Socket.IO keeps until the client answers: for ever, where it does not. */
interface WithAcks {
  acks?: Map<number, unknown>;
}

/** Writes messages that clients acknowledge, and knows who has. */
export class Acknowledgements {
  readonly #namespace: AnyNamespace;
  readonly #timeoutMs: number;
  readonly #awaited = new Map<AnySocket, Set<AwaitedPush>>();

  constructor(namespace: AnyNamespace, timeoutMs: number) {
    this.#namespace = namespace;
    this.#timeoutMs = timeoutMs;
  }

  /** Writes the message, encoded once, to these sessions. Resolves the users of whom no client has acknowledged it in time. */
  async emit(route: string, msg: unknown, receivers: readonly Session[]): Promise<string[]> {
    const packet: Packet = { type: EVENT, data: [route, msg] };
    const push = new AwaitedPush(receivers, this.#timeoutMs);
    for (const { socket } of receivers) this.#add(socket, push);
    const { rooms, crowded } = splitByOwnRoom(this.#namespace, receivers);
    // Socket.IO calls it as the socket's method. It is not `io.emitWithAck`, which does not tell who has not answered.
    const acknowledge = function (this: AnySocket): void {
      push.acknowledged(this);
    };
    const options = { rooms: new Set(rooms), except: new Set<string>(), flags: { local: true } };
    try {
      // No rooms at all would be everyone.
      if (rooms.length > 0) this.#namespace.adapter.broadcastWithAck(packet, options, () => {}, acknowledge);
      for (const { socket } of crowded) {
        const answered = (isLate: Error | null): void => {
          if (!isLate) push.acknowledged(socket);
        };
        toAlone(this.#namespace, socket).timeout(this.#timeoutMs).emit(route, msg, answered);
      }
      return await push.unknown;
    } finally {
      push.end();
      for (const { socket } of receivers) {
        this.#remove(socket, push);
        if (packet.id !== undefined) (socket as unknown as WithAcks).acks?.delete(packet.id);
      }
    }
  }

  /** The session has closed: what it has not acknowledged, it never will. */
  closed({ socket }: Session): void {
    for (const push of this.#awaited.get(socket) ?? []) push.lost(socket);
  }

  #add(socket: AnySocket, push: AwaitedPush): void {
    const pushes = this.#awaited.get(socket);
    if (pushes) pushes.add(push);
    else this.#awaited.set(socket, new Set([push]));
  }

  #remove(socket: AnySocket, push: AwaitedPush): void {
    const pushes = this.#awaited.get(socket);
    pushes?.delete(push);
    if (pushes?.size === 0) this.#awaited.delete(socket);
  }
}

/** A push that is waited for: the first of a user's sockets to acknowledge it is enough. */
class AwaitedPush {
  /** Resolves the users who have not acknowledged it, when no more can or its time is over. */
  readonly unknown: Promise<string[]>;
  /** Users who have not yet, with those of their sockets that may. */
  readonly #waiting = new Map<string, Set<AnySocket>>();
  readonly #uidOf = new Map<AnySocket, string>();
  readonly #lost: string[] = [];
  /** Nobody waits any more. */
  end!: () => void;

  constructor(receivers: readonly Session[], timeoutMs: number) {
    for (const { uid, socket } of receivers) {
      this.#uidOf.set(socket, uid);
      const sockets = this.#waiting.get(uid);
      if (sockets) sockets.add(socket);
      else this.#waiting.set(uid, new Set([socket]));
    }
    this.unknown = new Promise((resolve) => {
      const timer = setTimeout(() => this.end(), timeoutMs);
      this.end = () => {
        clearTimeout(timer);
        resolve([...this.#lost, ...this.#waiting.keys()]);
      };
    });
  }

  acknowledged(socket: AnySocket): void {
    const uid = this.#uidOf.get(socket);
    if (uid !== undefined && this.#waiting.delete(uid)) this.#endIfSettled();
  }

  lost(socket: AnySocket): void {
    const uid = this.#uidOf.get(socket)!;
    const sockets = this.#waiting.get(uid);
    sockets?.delete(socket);
    if (sockets?.size !== 0) return;
    this.#waiting.delete(uid);
    this.#lost.push(uid);
    this.#endIfSettled();
  }

  #endIfSettled(): void {
    if (this.#waiting.size === 0) this.end();
  }
}
