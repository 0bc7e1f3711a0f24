import { Relay, type RelayOptions } from "bullmq";
import type { Membership, Receiver, ReceiverOptions, Sender } from "./contender.js";

/** BullMQ's Relay: a topic for each channel, to which the frontends with members subscribe. It knows no members. */
export class RelaySender implements Sender {
  readonly #relay: Relay;

  constructor(url: string) {
    this.#relay = new Relay(optionsAt(url));
  }

  start(): Promise<void> {
    return this.#relay.waitUntilReady();
  }

  async push(name: string, msg: unknown): Promise<undefined> {
    await this.#relay.publish(name, msg);
  }
}

export class RelayReceiver implements Receiver {
  readonly #relay: Relay;
  readonly #handOver: (number: number) => void;

  constructor({ url, sid, handOver }: ReceiverOptions) {
    this.#relay = new Relay({ ...optionsAt(url), nodeId: sid });
    this.#handOver = handOver;
  }

  async start(): Promise<undefined> {
    await this.#relay.waitUntilReady();
  }

  async fill(memberships: readonly Membership[]): Promise<void> {
    for (const name of new Set(memberships.map((membership) => membership.name))) {
      await this.#relay.subscribe<{ number: number }>(name, ({ data }) => this.#handOver(data.number));
    }
  }
}

function optionsAt(url: string): RelayOptions {
  const { hostname: host, port } = new URL(url);
  return {
    connection: { host, port: Number(port) },
    // As with the others: an overloaded machine is part of the measurement, and nothing is to be lost.
    leaseDuration: 600_000,
    inboxMaxLength: 1_000_000,
  };
}
