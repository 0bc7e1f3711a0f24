import type { ContenderName, Receiver, ReceiverOptions, Sender } from "./contender.js";
import { GlobalChannelReceiver, GlobalChannelSender } from "./globalchannel.js";
import { OriginalSender } from "./original.js";
import { RawReceiver, RawSender } from "./raw.js";
import { RelayReceiver, RelaySender } from "./relay.js";
import { SocketIoReceiver, SocketIoSender } from "./socket-io.js";

/** What a contender needs at the frontends; some share it. */
export const RECEIVER_OF = {
  globalchannel: "globalchannel",
  "globalchannel, ack: false": "globalchannel",
  original: "globalchannel",
  "redis-adapter": "redis-adapter",
  "redis-adapter, sharded": "redis-adapter, sharded",
  "redis-streams-adapter": "redis-streams-adapter",
  Relay: "Relay",
  raw: "raw",
} as const satisfies Record<ContenderName, ContenderName>;
export type ReceiverName = (typeof RECEIVER_OF)[ContenderName];

/** Whether a push is done only when all frontends have answered. */
export function acknowledges(name: ContenderName): boolean {
  return name === "globalchannel" || name === "original";
}

export function createSender(name: ContenderName, url: string, sids: readonly string[]): Sender {
  switch (name) {
    case "globalchannel":
      return new GlobalChannelSender(url);
    case "globalchannel, ack: false":
      return new GlobalChannelSender(url, { ack: false });
    case "original":
      return new OriginalSender(url, sids);
    case "redis-adapter":
      return new SocketIoSender("pubsub", url);
    case "redis-adapter, sharded":
      return new SocketIoSender("sharded", url);
    case "redis-streams-adapter":
      return new SocketIoSender("streams", url);
    case "Relay":
      return new RelaySender(url);
    case "raw":
      return new RawSender(url, sids);
  }
}

export function createReceiver(name: ReceiverName, options: ReceiverOptions): Receiver {
  switch (name) {
    case "globalchannel":
      return new GlobalChannelReceiver(options);
    case "redis-adapter":
      return new SocketIoReceiver("pubsub", options);
    case "redis-adapter, sharded":
      return new SocketIoReceiver("sharded", options);
    case "redis-streams-adapter":
      return new SocketIoReceiver("streams", options);
    case "Relay":
      return new RelayReceiver(options);
    case "raw":
      return new RawReceiver(options);
  }
}
