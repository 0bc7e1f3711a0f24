import { createRequire } from "node:module";
import type { RedisServer } from "../../test/support/redis-server.js";

const require = createRequire(import.meta.url);

/** An overloaded machine is part of the measurement. Leases that long are also not renewed while something is measured. */
const PATIENCE = { timeoutMs: 60_000, leaseMs: 600_000 };

/** What a Pomelo application may use as its plugin, and with which options. */
const CONTENDERS = {
  /** As it is on npm. */
  original: { plugin: "pomelo-globalchannel-plugin", options: {} },
  rpc: { plugin: "globalchannel/pomelo", options: { transport: "rpc", ...PATIENCE } },
  /** Pomelo's RPC as it is without our `TCP_NODELAY`. */
  "rpc, rpcNoDelay: false": {
    plugin: "globalchannel/pomelo",
    options: { transport: "rpc", rpcNoDelay: false, ...PATIENCE },
  },
  redis: { plugin: "globalchannel/pomelo", options: { transport: "redis", ...PATIENCE } },
};

export type ContenderName = keyof typeof CONTENDERS;

/** The plugin's path and its options, with a Redis. */
export function pluginOf(name: ContenderName, { host, port }: RedisServer): { plugin: string; options: object } {
  const { plugin, options } = CONTENDERS[name];
  return { plugin: require.resolve(plugin), options: { host, port, ...options } };
}

export const STYPE = "connector";
export const ROUTE = "chat";
/** Makes a message, `{"n":123,"at":1234567890123.456,"pad":"xxxxxxxx"}`, about 50 bytes. */
export const PADDING = 8;

export interface User {
  uid: string;
  /** Its place in the list of connectors. */
  connector: number;
}

/** The first `count` users, in turn at each of the connectors. */
export function usersAt(connectors: number, count: number): User[] {
  return Array.from({ length: count }, (_, index) => ({ uid: uidOf(index), connector: index % connectors }));
}

export function uidOf(index: number): string {
  return `user-${1_000_000 + index}`;
}

export function channelOf(room: string, number: number): string {
  return `${room}:${number}`;
}
