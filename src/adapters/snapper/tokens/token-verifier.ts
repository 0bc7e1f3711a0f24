import type { KeyObject } from "node:crypto";
import jwt from "jsonwebtoken";
import { GlobalChannelError, invalidToken } from "../../../errors.js";
import { tokenAlgorithm, type TokenAlgorithm } from "./algorithms.js";
import { type TokenKeys, verifyingKeys } from "./keys.js";

/** The longest token, in characters: what says who somebody is is short, and whoever connects may send one. */
export const MAX_TOKEN_CHARACTERS = 8192;

/** What a token says, with when it expires, in seconds since 1970. */
export interface TokenPayload {
  readonly exp: number;
  readonly [claim: string]: unknown;
}

/** Says whether tokens are genuine: JSON Web Tokens, signed with one of some keys. */
export class TokenVerifier {
  readonly #algorithm: TokenAlgorithm;
  readonly #keys: readonly KeyObject[];

  /**
   * @param secretKeys secrets, or public or private keys in PEM; all are tried
   * @param algorithm the one that tokens must be signed by. @default HS256
   * @throws `GC_INVALID_ARGUMENT`
   */
  constructor(secretKeys: TokenKeys, algorithm?: TokenAlgorithm) {
    this.#algorithm = tokenAlgorithm("algorithm", algorithm);
    this.#keys = verifyingKeys("secretKeys", secretKeys, this.#algorithm);
  }

  /**
   * Returns what a token says.
   * @throws `GC_INVALID_TOKEN` it is none, too long, of another key or algorithm, has expired or never does; `cause` says which
   */
  verify(token: unknown): TokenPayload {
    if (typeof token !== "string" || token.length > MAX_TOKEN_CHARACTERS) {
      throw invalidToken(refusal(`a token is a text of at most ${MAX_TOKEN_CHARACTERS} characters`));
    }
    let cause: unknown;
    for (const key of this.#keys) {
      let payload: unknown;
      try {
        payload = jwt.verify(token, key, { algorithms: [this.#algorithm] });
      } catch (error) {
        cause = error;
        continue;
      }
      if (isPayload(payload)) return payload;
      cause = refusal("a token has to be an object, and to say when it expires");
    }
    throw invalidToken(cause);
  }
}

/** Without `exp` the library takes a token for one that never expires. */
function isPayload(payload: unknown): payload is TokenPayload {
  if (typeof payload !== "object" || payload === null) return false;
  return Number.isFinite((payload as Partial<TokenPayload>).exp);
}

function refusal(message: string): GlobalChannelError {
  return new GlobalChannelError("GC_INVALID_TOKEN", message);
}
