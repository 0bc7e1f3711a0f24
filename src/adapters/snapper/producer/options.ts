import { checkName, checkNumber } from "../../../arguments.js";
import { amount, milliseconds, resolveOptions } from "../../../options.js";
import { tokenAlgorithm, type TokenAlgorithm } from "../tokens/algorithms.js";
import { signingKey, type TokenKeys, verifyingKeys } from "../tokens/keys.js";

/** Options of {@link Producer}. */
export interface ProducerOptions {
  /** The producer's name, by which the broker knows it. */
  producerId: string;
  /**
   * Secrets for HMAC algorithms, or private keys in PEM for RSA and ECDSA: one, or several, of which the first signs. The broker has to
   * have it, too, or its public key.
   */
  secretKeys: TokenKeys;
  /** For how long tokens are good, in seconds: the producer's own, and those of `signAuth`. @default 86_400 */
  expiresInSeconds?: number | undefined;
  /** HS256, HS384, HS512, RS256, RS384, RS512, ES256, ES384 or ES512. @default HS256 */
  algorithm?: TokenAlgorithm | undefined;
  /** How many messages and requests may wait until the broker has confirmed them. @default 10_000 */
  maxQueuedMessages?: number | undefined;
  /** How much these may be together, in bytes of JSON. @default 16_777_216 */
  maxQueuedBytes?: number | undefined;
  /**
   * The largest message with its room, in bytes of JSON; messages that go together are no more. The broker has to take frames of 1 KiB
   * more. @default 1_000_000
   */
  maxMessageBytes?: number | undefined;
  /**
   * How long the broker may take to connect, and to answer, in milliseconds: a request fails then, and a connection on which nothing
   * comes is given up for another one. @default 10_000
   */
  timeoutMs?: number | undefined;
  /** The longest pause between two attempts to connect, in milliseconds; also the pause after a refused token. @default 5000 */
  maxReconnectDelayMs?: number | undefined;
  /** How long `close()` waits for what is not confirmed yet, in milliseconds. @default 5000 */
  closeTimeoutMs?: number | undefined;
}

/** @throws `GC_INVALID_OPTION` */
export function resolveProducerOptions(options: ProducerOptions) {
  const { secretKeys, ...resolved } = resolveOptions("Producer", options, {
    producerId: checkName,
    secretKeys: (option, value) => {
      // A wrong key after the first would be noticed on the day on which it is to sign.
      const algorithm = tokenAlgorithm("algorithm", options.algorithm);
      verifyingKeys(option, value, algorithm);
      return signingKey(option, value, algorithm);
    },
    expiresInSeconds: (option, value) => checkNumber(option, value ?? 86_400, { min: 1 }),
    algorithm: tokenAlgorithm,
    maxQueuedMessages: amount(10_000),
    maxQueuedBytes: amount(16_777_216),
    maxMessageBytes: amount(1_000_000, 16),
    timeoutMs: milliseconds(10_000, 10),
    maxReconnectDelayMs: milliseconds(5000, 1),
    closeTimeoutMs: milliseconds(5000, 0),
  });
  return { ...resolved, key: secretKeys };
}

export type ResolvedProducerOptions = ReturnType<typeof resolveProducerOptions>;
