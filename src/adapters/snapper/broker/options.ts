import { hostname } from "node:os";
import { randomBytes } from "node:crypto";
import { checkInteger, checkName, invalid } from "../../../arguments.js";
import { checkCluster } from "../../../cluster/check-cluster.js";
import { memory } from "../../../memory.js";
import { aFunction, amount, milliseconds, optional, resolveOptions } from "../../../options.js";
import type { ClusterInput } from "../../../types.js";
import { tokenAlgorithm, type TokenAlgorithm } from "../tokens/algorithms.js";
import { type TokenKeys, verifyingKeys } from "../tokens/keys.js";
import { TokenVerifier } from "../tokens/token-verifier.js";
import { MAX_BATCH } from "./consumers/batch.js";

/** Options of {@link Broker}. */
export interface BrokerOptions {
  /** The TCP port for consumers, over HTTP; 0 is any free one. @default 7701 */
  port?: number | undefined;
  /** The TCP port for producers. @default 7700 */
  rpcPort?: number | undefined;
  /** The address of one network interface to listen at. @default all of them */
  host?: string | undefined;
  /** What tokens of producers and consumers are verified with: as of `Producer`, or public keys. All are tried. */
  secretKeys: TokenKeys;
  /** @default HS256 */
  algorithm?: TokenAlgorithm | undefined;
  /**
   * What brokers share: `redis(url)` for several. It must have `history` and `subscribers`, and a manager with `versions` and `presence`.
   * @default memory(): this broker is the only one, and what waits for consumers ends with its process
   */
  cluster?: ClusterInput | undefined;
  /** The id of this broker's frontend, unique in the cluster. @default the host's name and a random part */
  sid?: string | undefined;
  /** The type of the brokers' frontends. @default "snapper" */
  stype?: string | undefined;
  /** Where consumers connect. @default "/websocket" */
  path?: string | undefined;
  /** For how long messages are kept for consumers that are away, in milliseconds. @default 86_400_000, a day */
  keepMs?: number | undefined;
  /** The same for one that has come back under another id, with a new token. @default 300_000 */
  formerKeepMs?: number | undefined;
  /** The most messages that wait for a consumer, and that are kept of a room; beyond that the oldest go. @default 1024 */
  maxQueued?: number | undefined;
  /** The most messages that a consumer gets at once. @default 50 */
  maxBatch?: number | undefined;
  /** How long a consumer may take to acknowledge them before it is disconnected, in milliseconds. @default 60_000 */
  ackTimeoutMs?: number | undefined;
  /** The largest frame of a producer, in bytes. @default 1_048_576 */
  maxFrameBytes?: number | undefined;
  /** The largest message from a consumer, in bytes. @default 65_536 */
  maxConsumerMessageBytes?: number | undefined;
  /** How often consumers are pinged (or, of protocol 3, ping), and how long an answer may take, in milliseconds. @default 25_000 */
  pingIntervalMs?: number | undefined;
  /** @default 20_000 */
  pingTimeoutMs?: number | undefined;
  /** Gets the errors that nobody else does. @default they are told on the diagnostics channel `globalchannel:error` */
  onError?: ((error: Error) => void) | undefined;
}

const aPort =
  (port: number) =>
  (option: string, value: unknown = port): number =>
    checkInteger(option, value, { min: 0, max: 65_535 });

const name =
  (defaultName: () => string) =>
  (option: string, value: unknown = defaultName()): string =>
    checkName(option, value);

/** @throws `GC_INVALID_OPTION` */
export function resolveBrokerOptions(given: BrokerOptions) {
  const { secretKeys, ...options } = resolveOptions("Broker", given, {
    port: aPort(7701),
    rpcPort: aPort(7700),
    host: optional(checkName),
    algorithm: tokenAlgorithm,
    secretKeys: (option, value) => {
      verifyingKeys(option, value, tokenAlgorithm("algorithm", given.algorithm));
      return value as TokenKeys;
    },
    cluster: (option, value = memory()) => {
      const { history, subscribers, fusedPush } = checkCluster(option, value);
      if (!history || !subscribers)
        throw invalid(option, value, "a cluster with history and subscribers, as redis(url)");
      return { input: value as ClusterInput, history, store: subscribers, keepsOrder: fusedPush !== undefined };
    },
    sid: name(() => `snapper-${hostname()}-${randomBytes(6).toString("base64url")}`),
    stype: name(() => "snapper"),
    path: (option, value = "/websocket") => {
      if (typeof value !== "string" || !/^\/[^?#]+$/.test(value)) throw invalid(option, value, "a path, as /websocket");
      return value;
    },
    keepMs: milliseconds(24 * 60 * 60 * 1000, 1, 12 * 24 * 60 * 60 * 1000),
    formerKeepMs: milliseconds(5 * 60 * 1000),
    maxQueued: (option, value = 1024) => checkInteger(option, value, { min: 1, max: 100_000 }),
    maxBatch: (option, value = 50) => checkInteger(option, value, { min: 1, max: MAX_BATCH }),
    ackTimeoutMs: milliseconds(60_000),
    maxFrameBytes: amount(1_048_576),
    maxConsumerMessageBytes: amount(65_536),
    pingIntervalMs: milliseconds(25_000),
    pingTimeoutMs: milliseconds(20_000),
    onError: optional(aFunction<(error: Error) => void>()),
  });
  return { ...options, tokens: new TokenVerifier(secretKeys, options.algorithm) };
}
