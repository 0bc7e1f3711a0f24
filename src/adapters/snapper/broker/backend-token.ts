import { GlobalChannelError, invalidToken } from "../../../errors.js";
import type { TokenPayload } from "../tokens/token-verifier.js";

/**
 * What a token says that is not a consumer's: those have a `userId`, and every page of a user has one, signed with the same keys.
 * @throws `GC_INVALID_TOKEN`
 */
export function checkBackendToken(payload: TokenPayload): TokenPayload {
  if (payload["userId"] === undefined) return payload;
  throw invalidToken(new GlobalChannelError("GC_INVALID_TOKEN", "a token with a userId is good for consumers alone"));
}
