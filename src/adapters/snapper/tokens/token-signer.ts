import type { KeyObject } from "node:crypto";
import jwt from "jsonwebtoken";
import { invalid } from "../../../arguments.js";
import { GlobalChannelError } from "../../../errors.js";
import type { TokenAlgorithm } from "./algorithms.js";
import { MAX_TOKEN_CHARACTERS } from "./token-verifier.js";

export interface TokenSignerOptions {
  key: KeyObject;
  algorithm: TokenAlgorithm;
  /** For how long a token is good whose payload has no `exp`. */
  expiresInSeconds: number;
}

/** Signs JSON Web Tokens. */
export class TokenSigner {
  readonly #options: TokenSignerOptions;

  constructor(options: TokenSignerOptions) {
    this.#options = options;
  }

  /**
   * A token that says `payload`, and when it expires: at its `exp`, in seconds since 1970, or after `expiresInSeconds`.
   * @throws `GC_INVALID_ARGUMENT` it is no object, has a claim that no token can have, or is too long
   */
  sign(payload: object): string {
    const given: unknown = payload;
    if (typeof given !== "object" || given === null || Array.isArray(given)) {
      throw invalid("payload", given, "an object");
    }
    const { key, algorithm, expiresInSeconds } = this.#options;
    const exp = Math.floor(Date.now() / 1000 + expiresInSeconds);
    let token: string;
    try {
      token = jwt.sign({ exp, ...given }, key, { algorithm });
    } catch (cause) {
      const message = `payload cannot be signed: ${cause instanceof Error ? cause.message : String(cause)}`;
      throw new GlobalChannelError("GC_INVALID_ARGUMENT", message, { cause, argument: "payload" });
    }
    if (token.length > MAX_TOKEN_CHARACTERS) {
      throw invalid("payload", given, `short: its token has ${token.length} of ${MAX_TOKEN_CHARACTERS} characters`);
    }
    return token;
  }
}
