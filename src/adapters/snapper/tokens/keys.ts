import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from "node:crypto";
import { GlobalChannelError } from "../../../errors.js";
import { CURVES, type TokenAlgorithm } from "./algorithms.js";

/** A secret for HMAC algorithms, or a key in PEM for RSA and ECDSA. */
type TokenKey = string | Buffer;

/** What a token may be signed with: the first one signs, and all verify, so that keys can be changed one process after the other. */
export type TokenKeys = TokenKey | readonly TokenKey[];

/** Below that, RSA counts as broken. @see https://www.rfc-editor.org/rfc/rfc7518#section-3.3 */
const MIN_RSA_BITS = 2048;

/**
 * The keys that verify, in their order. For RSA and ECDSA each may be a public key, or a private one, which has its public key in it.
 * @throws `GC_INVALID_ARGUMENT` without what was given: that is secret
 */
export function verifyingKeys(argument: string, keys: unknown, algorithm: TokenAlgorithm): readonly KeyObject[] {
  return listOf(argument, keys).map((key, index) => {
    const name = Array.isArray(keys) ? `${argument}[${index}]` : argument;
    return isHmac(algorithm) ? secretOf(name, key) : pemKeyOf(name, key, algorithm, createPublicKey);
  });
}

/**
 * The key that signs: the first one, for RSA and ECDSA a private one.
 * @throws `GC_INVALID_ARGUMENT` without what was given
 */
export function signingKey(argument: string, keys: unknown, algorithm: TokenAlgorithm): KeyObject {
  const [key] = listOf(argument, keys);
  const name = Array.isArray(keys) ? `${argument}[0]` : argument;
  return isHmac(algorithm) ? secretOf(name, key) : pemKeyOf(name, key, algorithm, createPrivateKey);
}

function isHmac(algorithm: TokenAlgorithm): boolean {
  return algorithm.startsWith("HS");
}

function listOf(argument: string, keys: unknown): readonly unknown[] {
  const list: readonly unknown[] = Array.isArray(keys) ? keys : [keys];
  if (list.length === 0) throw invalidKey(argument, "has no key");
  return list;
}

function secretOf(argument: string, key: unknown): KeyObject {
  const bytes = bytesOf(argument, key);
  // Who has but the public key could sign with it.
  if (bytes.includes("-----BEGIN"))
    throw invalidKey(argument, "is a key in PEM, which is no secret for an HS algorithm");
  return createSecretKey(bytes);
}

function pemKeyOf(
  argument: string,
  key: unknown,
  algorithm: TokenAlgorithm,
  create: (pem: Buffer) => KeyObject,
): KeyObject {
  const pem = bytesOf(argument, key);
  let object: KeyObject;
  try {
    object = create(pem);
  } catch {
    const what = create === createPrivateKey ? "a private key" : "a public or private key";
    throw invalidKey(argument, `is not ${what} in PEM without a password, as ${algorithm} needs it`);
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = object;
  if (isOfCurve(algorithm)) {
    const curve = CURVES[algorithm];
    if (type !== "ec" || details?.namedCurve !== curve) throw invalidKey(argument, `is no key of the curve ${curve}`);
  } else if (type !== "rsa" || (details?.modulusLength ?? 0) < MIN_RSA_BITS) {
    throw invalidKey(argument, `is no RSA key of at least ${MIN_RSA_BITS} bits`);
  }
  return object;
}

function isOfCurve(algorithm: TokenAlgorithm): algorithm is keyof typeof CURVES {
  return algorithm in CURVES;
}

function bytesOf(argument: string, key: unknown): Buffer {
  if (typeof key !== "string" && !(key instanceof Uint8Array))
    throw invalidKey(argument, "is neither a text nor a Buffer");
  if (key.length === 0) throw invalidKey(argument, "is empty");
  return Buffer.from(key as Buffer);
}

function invalidKey(argument: string, problem: string): GlobalChannelError {
  return new GlobalChannelError("GC_INVALID_ARGUMENT", `${argument} ${problem}`, { argument });
}
