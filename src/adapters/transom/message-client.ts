import type { AnyServer, SocketIoConnector } from "../../connectors/socket-io/connector.js";
import { checkEventName } from "../../connectors/socket-io/event-name.js";
import type { Frontend } from "../../frontend/frontend.js";
import type { PushReport } from "../../service/push-report.js";
import type { GlobalChannelService } from "../../service/service.js";
import { type TransomUser, uidsOf } from "./user.js";

/** What a process has while clients can connect to it. */
export interface Gate {
  io: AnyServer;
  connector: SocketIoConnector;
  frontend: Frontend;
}

interface MessageClientOptions {
  stype: string;
  service: GlobalChannelService;
  /** Resolves when the service can be used, and the frontend is live, if there is one. */
  ready: () => Promise<void>;
  gate: () => Gate | undefined;
}

/**
 * Emits to users over Socket.IO, whichever frontend they are connected to. Every call resolves the push report, each user once for
 * each frontend where it has sockets, and waits for the start of what it was made of.
 *
 * Errors: `GC_INVALID_ARGUMENT` for a user without a valid `_id`, or a name that Socket.IO keeps for itself; those of
 * {@link GlobalChannelService}: `GC_MESSAGE_NOT_SERIALIZABLE`, `GC_MESSAGE_TOO_LARGE`, `GC_STORE_UNAVAILABLE`, `GC_PUSH_FAILED`.
 */
export class TransomMessageClient {
  readonly #options: MessageClientOptions;

  constructor(options: MessageClientOptions) {
    this.#options = options;
  }

  /** The Socket.IO server of this process; undefined where it only emits. */
  get io(): AnyServer | undefined {
    return this.#options.gate()?.io;
  }

  /** The service that it emits by, for channels: `service.add("room", uid, frontend.sid)`. */
  get service(): GlobalChannelService {
    return this.#options.service;
  }

  /** The frontend of this process; undefined where it only emits. */
  get frontend(): Frontend | undefined {
    return this.#options.gate()?.frontend;
  }

  /** The connector of that frontend, for its `rooms(service)` and `stats`. */
  get connector(): SocketIoConnector | undefined {
    return this.#options.gate()?.connector;
  }

  /**
   * Emits to every socket of these users. Those without any are the report's *failed*. 2 round trips to Redis.
   * @param users objects with an `_id`, or one
   * @param channelName the event that clients listen to
   * @param data anything that has a JSON form
   */
  async emitToUsers(
    users: TransomUser | readonly TransomUser[],
    channelName: string,
    data: unknown,
  ): Promise<PushReport> {
    const uids = uidsOf("users", users);
    const route = checkEventName("channelName", channelName);
    return (await this.#ready()).pushToUsers(this.#options.stype, route, data, uids);
  }

  /** Emits to every socket of whom it is known who its user is. 2 round trips to Redis. Parameters as {@link emitToUsers}. */
  async emitToEveryone(channelName: string, data: unknown): Promise<PushReport> {
    const route = checkEventName("channelName", channelName);
    return (await this.#ready()).broadcast(this.#options.stype, route, data);
  }

  /**
   * Disconnects every socket of these users; their clients do not connect again by themselves. 2 round trips to Redis.
   * @param close whether the connections under them are closed, too, for which all other namespaces end. @default false
   */
  async disconnectUsers(users: TransomUser | readonly TransomUser[], close = false): Promise<PushReport> {
    const uids = uidsOf("users", users);
    return (await this.#ready()).disconnectUsers(this.#options.stype, uids, { close });
  }

  async #ready(): Promise<GlobalChannelService> {
    await this.#options.ready();
    return this.service;
  }
}
