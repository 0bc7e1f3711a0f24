import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { checkInteger, describe, encodeJson, invalid } from "../arguments.js";
import { partError, wrongResult } from "../cluster/part-error.js";
import { invalidToken } from "../errors.js";
import { missingMethod, OPTIONAL_PART_METHODS, resolveOptions } from "../options.js";
import type { TokenStore } from "../types.js";

export interface OneTimeTokensOptions {
  /** Where the tokens are: the `tokens` of a cluster, which whoever starts the cluster starts. */
  store: TokenStore;
  /** For how long a token may be used, in whole milliseconds, up to 24 h. @default 60_000 */
  ttlMs?: number;
}

const DEFAULT_TTL_MS = 60_000;
const MAX_TTL_MS = 24 * 60 * 60 * 1000;
/** The longest JSON of a payload: what says who somebody is is short, and a store may keep very many. */
export const MAX_PAYLOAD_BYTES = 16 * 1024;

/** 256 bits: nobody finds one by trying. */
const TOKEN_BYTES = 32;
/** Base64url of 32 bytes, as it is written: the last character has 4 bits of them and two zeros, so that there is one way only. */
const TOKEN_PATTERN = /^[\w-]{42}[AEIMQUYcgkosw048]$/;
/** How much of a token's hash is the store's id; the rest is in the record, which begins with it. */
const ID_BYTES = 16;
const REST_CHARACTERS = 22;

/**
 * Tokens with which a client shows once who it is: created where it is known, as for an HTTP request with a session, and used where it
 * connects. They are kept as hashes only: who reads the store can make no use of it.
 */
export class OneTimeTokens {
  readonly #store: TokenStore;
  readonly #ttlMs: number;

  /** @throws `GC_INVALID_OPTION` */
  constructor(options: OneTimeTokensOptions) {
    const { store, ttlMs } = resolveOptions("OneTimeTokens", options, {
      store: aTokenStore,
      ttlMs: tokenTtlMs(DEFAULT_TTL_MS),
    });
    this.#store = store;
    this.#ttlMs = ttlMs;
  }

  /**
   * Creates a token of 43 characters (`A-Z a-z 0-9 - _`) for `payload`, anything with a JSON form of up to 16 KiB. 1 round trip.
   * @param options.ttlMs for how long it may be used. @default that of these tokens
   * @throws `GC_MESSAGE_NOT_SERIALIZABLE`, `GC_MESSAGE_TOO_LARGE`, `GC_INVALID_OPTION`, `GC_STORE_UNAVAILABLE`, `GC_STORE_ERROR`
   */
  async createToken(payload: unknown, options: { ttlMs?: number } = {}): Promise<string> {
    const { ttlMs } = resolveOptions("createToken", options, { ttlMs: tokenTtlMs(this.#ttlMs) });
    const json = encodeJson("payload", payload, { maxBytes: MAX_PAYLOAD_BYTES, bound: "a token" });
    const token = randomBytes(TOKEN_BYTES).toString("base64url");
    const { id, rest } = hash(token);
    await ask("put", () => this.#store.put(id, rest.toString("base64url") + json, ttlMs));
    return token;
  }

  /**
   * Resolves the payload of a token, which cannot be used again. 1 round trip; what cannot be a token is refused without any.
   * @throws `GC_INVALID_TOKEN` the same for one that was never given out, has expired, or was used before; `GC_STORE_UNAVAILABLE`
   *   whether it is used now is not known, unless nothing was sent; `GC_STORE_ERROR`
   */
  async useToken(token: unknown): Promise<unknown> {
    if (typeof token !== "string" || !TOKEN_PATTERN.test(token)) throw invalidToken();
    const { id, rest } = hash(token);
    // Some clients of stores say null.
    const record: unknown = (await ask("take", () => this.#store.take(id))) ?? undefined;
    if (record === undefined) throw invalidToken();
    if (typeof record !== "string") throw notTheRecord(describe(record));
    const kept = Buffer.from(record.slice(0, REST_CHARACTERS), "base64url");
    if (kept.length !== rest.length || !timingSafeEqual(kept, rest)) throw invalidToken();
    try {
      return JSON.parse(record.slice(REST_CHARACTERS));
    } catch {
      throw notTheRecord("another record than it was given");
    }
  }
}

function hash(token: string): { id: string; rest: Buffer } {
  const whole = createHash("sha256").update(token).digest();
  return { id: whole.toString("base64url", 0, ID_BYTES), rest: whole.subarray(ID_BYTES) };
}

/** Asks the store, which may be the application's own. */
async function ask<T>(method: "put" | "take", call: () => T | Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw partError(STORE, method, error);
  }
}

function notTheRecord(found: string): Error {
  return wrongResult(STORE, "take", found, "the record as it was put, or undefined");
}

const STORE = "token store";

function aTokenStore(option: string, value: unknown): TokenStore {
  const missing = missingMethod(value, OPTIONAL_PART_METHODS.tokens);
  if (missing) throw invalid(option, value, `a token store, as memory().tokens is; it has no method ${missing}`);
  return value as TokenStore;
}

function tokenTtlMs(defaultMs: number) {
  return (option: string, value: unknown): number =>
    checkInteger(option, value ?? defaultMs, { min: 1, max: MAX_TTL_MS });
}
