import { GlobalChannelError, isGlobalChannelError } from "../../../../errors.js";
import type { PushOptions } from "../../../../service/push-options.js";
import type { PushReport } from "../../../../service/push-report.js";
import type { GlobalChannelService } from "../../../../service/service.js";
import type { ChannelHistory, ChannelPosition, HistoryLimits, SubscriberStore } from "../../../../types.js";
import { type Device, deviceWith } from "../consumers/consumer-id.js";
import { userRoom } from "./user-room.js";

/** The routes by which brokers talk to each other about consumers; the first one is that of messages. */
export const PUBLISH = "publish";
export const JOIN = "join";
export const LEAVE = "leave";
export const MOVED = "moved";

/** What a consumer's broker is told: where it is in a room that it is to join, and whether it was not in it. */
export interface Joining {
  position: ChannelPosition;
  isNew: boolean;
}

/** A message to a room. One with a key that was there in the last 5 minutes is not sent again. */
export interface RoomMessage {
  room: string;
  message: string;
  key?: string | undefined;
}

interface RoomsOptions {
  service: GlobalChannelService;
  history: ChannelHistory;
  store: SubscriberStore;
  stype: string;
  /** Whether messages to several rooms keep the order in which they are pushed. */
  keepsOrder: boolean;
  /** How much of each room is kept. */
  limits: HistoryLimits;
  /** For how long it is kept where a consumer is that is away, in milliseconds. */
  keepMs: number;
}

/** How long a broker has to end the connection of a consumer that is connected elsewhere now, in milliseconds. */
const MOVED_MS = 1000;

/** How many consumers of a user are connected, in all and by device. */
export type OnlineCount = { length: number } & Record<Device, number>;

/** Rooms are channels: consumers that are connected are their members; those that are away, too, are subscribers. */
export class Rooms {
  readonly #options: RoomsOptions;

  constructor(options: RoomsOptions) {
    this.#options = options;
  }

  /**
   * Keeps messages for their rooms, and sends them to the consumers there. Resolves when that is done. Consumers get those of one room in
   * this order; those of several rooms, too, but on a Redis Cluster, where rooms are at different servers.
   */
  async publish(messages: readonly RoomMessage[]): Promise<void> {
    // Pushes of a cluster of Redis keep their order by themselves.
    const runs = this.#options.keepsOrder ? [messages] : runsOf(messages);
    for (const run of runs) await Promise.all(run.map((message) => this.#publish(message)));
  }

  /** Lets a consumer join a room, connected or not. Resolves whether it was not in it. */
  async join(room: string, consumerId: string): Promise<boolean> {
    const joining = await this.#subscribe(room, consumerId);
    await this.#tell(JOIN, joining, consumerId);
    return joining.isNew;
  }

  /** Takes a consumer out of a room. Resolves whether it was in it. */
  async leave(room: string, consumerId: string): Promise<boolean> {
    const wasIn = await this.#options.store.unsubscribe(consumerId, room);
    await this.#tell(LEAVE, room, consumerId);
    return wasIn;
  }

  /** Notes that a consumer is to get what is sent to a room from now on, once it is connected. */
  async subscribe(room: string, consumerId: string): Promise<void> {
    await this.#subscribe(room, consumerId);
  }

  /** Ends the connections of a consumer to other brokers than this. One that does not answer is not waited for. */
  async endElsewhere(consumerId: string, sid: string): Promise<void> {
    const sids = await this.#options.service.getSids(consumerId);
    if (sids.some((other) => other !== sid)) await this.#tellBrokers(MOVED, sid, consumerId, { timeoutMs: MOVED_MS });
  }

  /** How many consumers of a user are connected. */
  async count(userId: string): Promise<OnlineCount> {
    const { service, stype } = this.#options;
    const ids = await service.getMembersByChannelName(stype, userRoom(userId));
    const count: OnlineCount = { length: ids.length, android: 0, ios: 0, web: 0 };
    for (const id of ids) count[deviceWith(id)]++;
    return count;
  }

  async #publish({ room, message, key }: RoomMessage): Promise<void> {
    const { service, stype, limits } = this.#options;
    try {
      const once = key === undefined ? {} : { idempotencyKey: key };
      // What brokers would answer is of no use: it is kept, and one that does not answer is not to hold up the others.
      await service.pushMessage(stype, PUBLISH, message, room, { history: limits, ack: false, ...once });
    } catch (error) {
      // It is kept: consumers get it when their broker can be reached again.
      if (!isGlobalChannelError(error) || error.code !== "GC_PUSH_FAILED") throw error;
    }
  }

  async #subscribe(room: string, consumerId: string): Promise<Joining> {
    const { history, store, limits, keepMs } = this.#options;
    const [end] = await history.positions([room], limits);
    const position = { name: room, ...end! };
    return { isNew: await store.subscribe(consumerId, position, keepMs), position };
  }

  /** Tells a consumer's broker, where it is connected. */
  async #tell(route: string, msg: unknown, consumerId: string): Promise<void> {
    if ((await this.#tellBrokers(route, msg, consumerId)) === 0) return;
    const message = `whether consumer ${JSON.stringify(consumerId)} has heard of it is not known`;
    throw new GlobalChannelError("GC_TIMEOUT", message);
  }

  /** Resolves of how many brokers it is not known. One that is gone has no consumers, though that may not be known yet. */
  async #tellBrokers(route: string, msg: unknown, consumerId: string, options: PushOptions = {}): Promise<number> {
    const { service, stype } = this.#options;
    try {
      const { unknown } = await service.pushToUsers(stype, route, msg, [consumerId], options);
      return unknown;
    } catch (error) {
      if (isGlobalChannelError(error) && isUnreachable(error)) return 0;
      throw error;
    }
  }
}

function isUnreachable({ report }: GlobalChannelError): boolean {
  const { frontends } = (report ?? { frontends: [] }) as PushReport;
  return frontends.length > 0 && frontends.every(({ error }) => error?.code === "GC_FRONTEND_UNREACHABLE");
}

/** Messages to one room that follow each other. */
function runsOf(messages: readonly RoomMessage[]): RoomMessage[][] {
  const runs: RoomMessage[][] = [];
  for (const message of messages) {
    const last = runs.at(-1);
    if (last?.[0]!.room === message.room) last.push(message);
    else runs.push([message]);
  }
  return runs;
}
