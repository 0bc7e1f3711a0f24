import { setTimeout as sleep } from "node:timers/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "engine.io";
import { GlobalChannelError } from "../../../../errors.js";
import type { GlobalChannelService } from "../../../../service/service.js";
import type { ClientMessage, Connector, ConnectorHost, SubscriberStore, Undelivered } from "../../../../types.js";
import { userRoom } from "../rooms/user-room.js";
import { JOIN, type Joining, LEAVE, MOVED, PUBLISH, type Rooms } from "../rooms/rooms.js";
import { Consumer, type ConsumerSettings } from "./consumer.js";
import type { ConsumerIdentity } from "./consumer-id.js";
import { Engine, tokenIn } from "./engine.js";

interface ConsumerConnectorOptions extends Omit<ConsumerSettings, "store" | "rejoin"> {
  port: number;
  host: string | undefined;
  path: string;
  maxConsumerMessageBytes: number;
  pingIntervalMs: number;
  pingTimeoutMs: number;
  store: SubscriberStore;
  service: GlobalChannelService;
  rooms: Rooms;
  /** For how long it is kept where a consumer is that has another id now, in milliseconds. */
  formerKeepMs: number;
  /** Says who has a token. Throws where that is nobody. */
  identify: (token: string) => ConsumerIdentity;
  /** A consumer has connected. */
  connected: () => void;
  /** Answers HTTP requests that are not of consumers. */
  request: (request: IncomingMessage, response: ServerResponse) => void;
}

/** How often, at least, what is kept of the consumers that are connected is kept for longer, in milliseconds. */
const KEEP_MS = 60_000;
/** How long to wait before a step of a consumer's begin that has failed is tried again, and between looks, in milliseconds. */
const RETRY_MS = 250;
const LOOK_MS = 5;
/** For how long a consumer may have to wait until it is in its user's room, in milliseconds. */
const ADMISSION_MS = 1000;
/** For how long it is waited that this frontend hears of the rooms that a consumer has joined, in milliseconds. */
const PATIENCE_MS = 2000;

/** Hands the messages of rooms to the consumers of this broker. */
export class ConsumerConnector implements Connector {
  readonly #options: ConsumerConnectorOptions;
  readonly #settings: ConsumerSettings;
  readonly #engine: Engine;
  readonly #consumers = new Map<string, Consumer>();
  /** The ends of consumers that are being noted. */
  readonly #closing = new Set<Promise<void>>();
  #host!: ConnectorHost;
  #keeping: NodeJS.Timeout | undefined;

  constructor(options: ConsumerConnectorOptions) {
    this.#options = options;
    const { identify, report } = options;
    this.#settings = {
      ...options,
      rejoin: (consumer, position) => this.#join(consumer, { position, isNew: false }),
    };
    this.#engine = new Engine({
      ...options,
      maxMessageBytes: options.maxConsumerMessageBytes,
      admit: (request) => identify(tokenIn(request)),
      admitted: (identity) => this.#admitted(identity),
      connected: (socket, identity) => this.#connected(socket, identity),
      succeeded: (id) => void Promise.resolve(options.store.expire(id, options.formerKeepMs)).catch(report),
    });
  }

  get port(): number {
    return this.#engine.port;
  }

  get count(): number {
    return this.#consumers.size;
  }

  start(host: ConnectorHost): void {
    this.#host = host;
    const { keepMs, formerKeepMs } = this.#options;
    // Another consumer of the same browser may have said that one is a former one.
    const everyMs = Math.min(KEEP_MS, keepMs / 3, formerKeepMs / 3);
    this.#keeping = setInterval(() => this.#keepAll(), everyMs).unref();
  }

  /** Takes consumers: once the frontend is live, as they join rooms. */
  listen(): Promise<void> {
    return this.#engine.listen();
  }

  /** Takes no more consumers, closes all, and resolves when it is noted where they are. */
  async stop(): Promise<void> {
    clearInterval(this.#keeping);
    await this.#engine.close();
    await Promise.all(this.#closing);
  }

  /** See {@link Connector.deliver}. What asks consumers to join or leave a room is done, and acknowledged, here. */
  deliver(uids: ReadonlySet<string>, message: ClientMessage): Undelivered | Promise<Undelivered> {
    switch (message.route) {
      case PUBLISH:
        return this.#publish(uids, message);
      case JOIN:
        return this.#forEach(uids, (consumer) => this.#join(consumer, JSON.parse(message.body) as Joining));
      case LEAVE:
        return this.#forEach(uids, (consumer) => this.#leave(consumer, JSON.parse(message.body) as string));
      case MOVED:
        return this.#forEach(uids, (consumer) => this.#end(consumer, JSON.parse(message.body) as string));
      default:
        throw new GlobalChannelError("GC_UNSUPPORTED", `consumers get no ${JSON.stringify(message.route)}`);
    }
  }

  /** Rooms are all that there is. */
  deliverToAll(): number {
    throw new GlobalChannelError("GC_UNSUPPORTED", "consumers get messages of rooms alone");
  }

  /** See {@link Connector.disconnectUsers}. */
  disconnectUsers(uids: ReadonlySet<string>): string[] {
    return [...uids].filter((uid) => {
      const consumer = this.#consumers.get(uid);
      consumer?.socket.close(true);
      return !consumer;
    });
  }

  /** See {@link Connector.joined}. */
  joined(uid: string, room: string): void {
    this.#consumers.get(uid)?.joined(room);
  }

  /** See {@link Connector.left}. */
  left(uid: string, room: string): void {
    this.#consumers.get(uid)?.left(room);
  }

  /** See {@link Connector.missed}. */
  missed(): void {
    for (const consumer of this.#consumers.values()) consumer.lookForMissed();
  }

  #publish(uids: ReadonlySet<string>, message: ClientMessage): Undelivered {
    const failed: string[] = [];
    const unknown: string[] = [];
    for (const uid of uids) {
      const admission = this.#consumers.get(uid)?.deliver(message);
      if (admission === undefined) failed.push(uid);
      else if (admission === "held") unknown.push(uid);
    }
    return { failed, unknown };
  }

  async #forEach(uids: ReadonlySet<string>, act: (consumer: Consumer) => Promise<void>): Promise<Undelivered> {
    const failed = [...uids].filter((uid) => !this.#consumers.has(uid));
    await Promise.all(Array.from(uids, (uid) => this.#consumers.get(uid)).map((consumer) => consumer && act(consumer)));
    return failed;
  }

  /** One that was in the room, and is none of its members, goes on where it was. */
  async #join(consumer: Consumer, { position, isNew }: Joining): Promise<void> {
    const { service } = this.#options;
    const { name } = position;
    if (isNew) consumer.beginAt(position);
    else if (this.#host.channelsOf?.(consumer.id).includes(name)) return;
    else await consumer.beginWhereItWas(name);
    await service.add(name, consumer.id, this.#host.sid);
  }

  async #leave(consumer: Consumer, room: string): Promise<void> {
    consumer.forget(room);
    await this.#options.service.leave(room, consumer.id, this.#host.sid);
  }

  /** The consumer is connected to the broker with this sid now. */
  async #end(consumer: Consumer, sid: string): Promise<void> {
    if (sid === this.#host.sid) return;
    consumer.socket.close(true);
    await consumer.close();
  }

  /** What is sent to its user once it knows that it is connected it gets, unless the store takes too long. */
  async #admitted({ id, userId }: ConsumerIdentity): Promise<void> {
    const { rooms, report } = this.#options;
    const subscribed = rooms.subscribe(userRoom(userId), id).catch(report);
    await Promise.race([subscribed, sleep(ADMISSION_MS, undefined, { ref: false })]);
  }

  #connected(socket: Socket, { id, userId }: ConsumerIdentity): void {
    const { report } = this.#options;
    // With the same token there is one connection: the last one.
    this.#consumers.get(id)?.socket.close(true);
    const consumer = new Consumer(id, socket, this.#host.history!, this.#settings);
    this.#consumers.set(id, consumer);
    this.#host.opened(id);
    this.#options.connected();
    socket.on("error", report);
    socket.once("close", () => this.#closed(consumer));
    void this.#begin(consumer, userId);
  }

  #closed(consumer: Consumer): void {
    if (this.#consumers.get(consumer.id) === consumer) this.#consumers.delete(consumer.id);
    this.#host.closed(consumer.id);
    const closing = consumer.close();
    this.#closing.add(closing);
    void closing.finally(() => this.#closing.delete(closing));
  }

  /** Brings a consumer back into its rooms, and goes on where it was. */
  async #begin(consumer: Consumer, userId: string): Promise<void> {
    while (this.#isHere(consumer)) {
      try {
        await this.#tryToBegin(consumer, userId);
        return;
      } catch (error) {
        this.#options.report(error);
      }
      await sleep(RETRY_MS, undefined, { ref: false });
    }
  }

  async #tryToBegin(consumer: Consumer, userId: string): Promise<void> {
    const { service, rooms } = this.#options;
    const { sid } = this.#host;
    // Whoever lets it join a room from now on finds it here; and of what was joined before, its rooms tell.
    await this.#until(consumer, async () => (await service.getSids(consumer.id)).includes(sid));
    // Another broker may not have heard yet that its connection is gone, and an earlier one here may still be noting where it was.
    await rooms.endElsewhere(consumer.id, sid);
    await Promise.all(this.#closing);
    await rooms.subscribe(userRoom(userId), consumer.id);
    const names = await consumer.restore();
    // Of those in which an earlier connection has left it nobody tells again.
    const joinedBefore = new Set(this.#host.channelsOf?.(consumer.id));
    for (const name of names) if (joinedBefore.has(name)) consumer.joined(name);
    await service.addMany(names.map((name) => ({ name, uid: consumer.id, sid })));
    const deadline = performance.now() + PATIENCE_MS;
    await this.#until(consumer, () => {
      const joined = new Set(this.#host.channelsOf?.(consumer.id));
      return names.every((name) => joined.has(name)) || performance.now() > deadline;
    });
    if (this.#isHere(consumer)) consumer.begin();
  }

  async #until(consumer: Consumer, condition: () => boolean | Promise<boolean>): Promise<void> {
    while (this.#isHere(consumer) && !(await condition())) await sleep(LOOK_MS);
  }

  #isHere(consumer: Consumer): boolean {
    return this.#consumers.get(consumer.id) === consumer;
  }

  #keepAll(): void {
    for (const consumer of this.#consumers.values()) consumer.keep().catch(this.#options.report);
  }
}
