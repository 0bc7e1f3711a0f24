import type { ClientProtocol, ContenderName, Receiver, ReceiverOptions, Sender } from "./contender.js";
import type { AdapterKind } from "./socket-io.js";

/** What a contender needs at the frontends; some share it. */
export const RECEIVER_OF = {
  globalchannel: "globalchannel",
  "globalchannel, ack: false": "globalchannel",
  "globalchannel, socket.io": "globalchannel, socket.io",
  "globalchannel, sse": "globalchannel, sse",
  original: "globalchannel",
  "redis-adapter": "redis-adapter",
  "redis-adapter, sharded": "redis-adapter, sharded",
  "redis-streams-adapter": "redis-streams-adapter",
  Relay: "Relay",
  raw: "raw",
  "raw, one PUBLISH": "raw",
  "raw, sse": "raw, sse",
} as const satisfies Record<ContenderName, ContenderName>;
export type ReceiverName = (typeof RECEIVER_OF)[ContenderName];

/** What the clients of a contender speak, where it has any. */
export function protocolOf(name: ReceiverName): ClientProtocol {
  if (name.endsWith(", sse")) return "sse";
  return name.startsWith("redis-") || name === "globalchannel, socket.io" ? "socket.io" : "plain";
}

/** Whether a push is done only when all frontends have answered. */
export function acknowledges(name: ContenderName): boolean {
  return ["globalchannel", "globalchannel, socket.io", "globalchannel, sse", "original"].includes(name);
}

/** In Redis, of what has other clients: its frontends have the names of the others. */
const SOCKET_IO_PREFIX = "gc-socket.io";
const SSE_PREFIX = "gc-sse";
const RAW_SSE_PREFIX = "raw-sse";

// A process loads only what it runs: Socket.IO and BullMQ take longer to start than all else.

export async function createSender(name: ContenderName, url: string, sids: readonly string[]): Promise<Sender> {
  switch (name) {
    case "globalchannel":
      return new (await globalChannel()).GlobalChannelSender(url);
    case "globalchannel, ack: false":
      return new (await globalChannel()).GlobalChannelSender(url, { ack: false });
    case "globalchannel, socket.io":
      return new (await globalChannel()).GlobalChannelSender(url, { prefix: SOCKET_IO_PREFIX });
    case "globalchannel, sse":
      return new (await globalChannel()).GlobalChannelSender(url, { prefix: SSE_PREFIX });
    case "original":
      return new (await import("./original.js")).OriginalSender(url, sids);
    case "redis-adapter":
      return new (await socketIo()).SocketIoSender("pubsub", url);
    case "redis-adapter, sharded":
      return new (await socketIo()).SocketIoSender("sharded", url);
    case "redis-streams-adapter":
      return new (await socketIo()).SocketIoSender("streams", url);
    case "Relay":
      return new (await relay()).RelaySender(url);
    case "raw":
      return new (await raw()).RawSender(url, sids);
    case "raw, one PUBLISH":
      return new (await raw()).RawPublishSender(url);
    case "raw, sse":
      return new (await raw()).RawSender(url, sids, RAW_SSE_PREFIX);
  }
}

export async function createReceiver(name: ReceiverName, options: ReceiverOptions): Promise<Receiver> {
  switch (name) {
    case "globalchannel":
      return new (await globalChannel()).GlobalChannelReceiver(options);
    case "globalchannel, socket.io":
      return new (await import("./globalchannel-socket-io.js")).GlobalChannelSocketIoReceiver(
        options,
        SOCKET_IO_PREFIX,
      );
    case "globalchannel, sse":
      return new (await import("./globalchannel-sse.js")).GlobalChannelSseReceiver(options, SSE_PREFIX);
    case "redis-adapter":
      return createSocketIoReceiver("pubsub", options);
    case "redis-adapter, sharded":
      return createSocketIoReceiver("sharded", options);
    case "redis-streams-adapter":
      return createSocketIoReceiver("streams", options);
    case "Relay":
      return new (await relay()).RelayReceiver(options);
    case "raw, sse":
      return new (await import("./raw-sse-clients.js")).RawSseClientsReceiver(options, RAW_SSE_PREFIX);
    case "raw":
      return options.clients === "real"
        ? new (await import("./raw-clients.js")).RawClientsReceiver(options)
        : new (await raw()).RawReceiver(options);
  }
}

async function createSocketIoReceiver(kind: AdapterKind, options: ReceiverOptions): Promise<Receiver> {
  return options.clients === "real"
    ? new (await import("./socket-io-clients.js")).SocketIoClientsReceiver(kind, options)
    : new (await socketIo()).SocketIoReceiver(kind, options);
}

const globalChannel = () => import("./globalchannel.js");
const socketIo = () => import("./socket-io.js");
const relay = () => import("./relay.js");
const raw = () => import("./raw.js");
