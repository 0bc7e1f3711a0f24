import { randomBytes } from "node:crypto";

/** 128 random bits, so that no two producers have the same, then the number of the call. */
const PATTERN = /^gc:[\w-]{22}:[0-9a-z]{1,11}$/;

/** Makes the ids of one producer's requests: no other request has the same, and a request that is sent again keeps its own. */
export class RpcIds {
  readonly #prefix = `gc:${randomBytes(16).toString("base64url")}:`;
  #count = 0;

  next(): string {
    return this.#prefix + (this.#count++).toString(36);
  }
}

/**
 * The key of each message of a `publish`, by its index, for a broker to do each once: undefined where the client is of another make, whose
 * ids others may have, too.
 */
export function messageKeysOf(id: unknown): ((index: number) => string) | undefined {
  return typeof id === "string" && PATTERN.test(id) ? (index) => `${id}:${index}` : undefined;
}
