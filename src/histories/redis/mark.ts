import { createHash } from "node:crypto";
import type { Keys } from "../../redis/keys.js";

/** The channel of pushes that are not to channels; channels have no empty names. */
export const NO_CHANNEL = "";

/**
 * Where it is known of a push with an idempotency key that it was done.
 * @param name the first of its channels in the partition of `keys`
 */
export function markOf(keys: Keys, name: string, names: readonly string[], idempotencyKey: string): string {
  // The same key to other channels is another one, also where the first of them is the same. Digests have no dots.
  const others = names.length > 1 ? createHash("sha256").update(JSON.stringify(names)).digest("base64url") : "";
  return keys.pushed(name, `${others}.${idempotencyKey}`);
}
