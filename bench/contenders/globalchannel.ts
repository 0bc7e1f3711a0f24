import { WebSocketConnector } from "globalchannel/websocket";
import { type Connector, Frontend, GlobalChannelService } from "globalchannel";
import { clusterAt } from "../support/cluster-at.js";
import { STYPE } from "../support/names.js";
import { redisAt } from "../support/redis-at.js";
import { type Membership, type Receiver, type ReceiverOptions, type Sender, TIMEOUT_MS } from "./contender.js";
import { numberAtEnd, ROUTE } from "./message.js";
import { uidOfUrl } from "./uid-of-url.js";

const NO_ACK = { ack: false } as const;

/** Of a client: more than any gets. What is slow here is the machine. */
export const MAX_BUFFERED_BYTES = 2 ** 30;

/** This library: `service.pushMessage`. */
export class GlobalChannelSender implements Sender {
  readonly #service: GlobalChannelService;
  readonly #ack: boolean;

  /**
   * @param options.ack whether the frontends answer
   * @param options.prefix of its keys in Redis, which its frontends have too
   */
  constructor(url: string, { ack = true, prefix }: { ack?: boolean; prefix?: string } = {}) {
    this.#ack = ack;
    this.#service = new GlobalChannelService({
      cluster: redisAt(url, prefix),
      timeoutMs: TIMEOUT_MS,
      // What is too much is measured, too.
      maxPendingPushes: 1_000_000,
      // Looking for dead frontends is not part of a push.
      reapIntervalMs: 600_000,
    });
  }

  start(): Promise<void> {
    return this.#service.start();
  }

  async fill(memberships: readonly Membership[]): Promise<void> {
    await this.#service.addMany(memberships);
  }

  async change(leaves: readonly Membership[], joins: readonly Membership[]): Promise<void> {
    await Promise.all([this.#service.leaveMany(leaves), this.#service.addMany(joins)]);
  }

  async push(name: string, msg: unknown): Promise<number | undefined> {
    const { delivered } = await this.#service.pushMessage(STYPE, ROUTE, msg, name, this.#ack ? null : NO_ACK);
    return this.#ack ? delivered : undefined;
  }
}

/** A frontend of this library; the original is measured with it too, on this library's transport. */
export class GlobalChannelReceiver implements Receiver {
  readonly #frontend: Frontend;
  readonly #webSocket: WebSocketConnector | undefined;

  constructor(options: ReceiverOptions) {
    const { clients, handOver } = options;
    this.#webSocket =
      clients === "real"
        ? new WebSocketConnector({
            port: 0,
            host: "127.0.0.1",
            authenticate: uidOfUrl,
            maxBufferedBytes: MAX_BUFFERED_BYTES,
            // None while the bench runs, as with the others.
            heartbeatMs: 24 * 3600 * 1000,
          })
        : undefined;
    // Takes every message as delivered: what remains to be measured is the way to here.
    const nowhere: Connector = {
      deliver: (_uids, { body }) => {
        handOver(numberAtEnd(body));
        return [];
      },
      deliverToAll: () => 0,
    };
    this.#frontend = frontendOf(options, this.#webSocket ?? nowhere);
  }

  async start(): Promise<number | undefined> {
    await this.#frontend.start();
    return this.#webSocket?.address().port;
  }
}

/** @param prefix of its keys in Redis */
export function frontendOf({ url, mysql, sid }: ReceiverOptions, connector: Connector, prefix?: string): Frontend {
  return new Frontend({
    sid,
    stype: STYPE,
    cluster: clusterAt({ redis: url, mysql, prefix }),
    connector,
    // Longer than the default: an overloaded machine is part of the measurement, a frontend that it delays is alive.
    leaseMs: 30_000,
  });
}
