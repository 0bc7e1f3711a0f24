import { checkId, encodeJson, invalid } from "../../arguments.js";
import { MAX_PAYLOAD_BYTES } from "../../tokens/one-time-tokens.js";

/** A user as Transom knows it. The `_id` may be an object with a `toString` of its own, as those of MongoDB are. */
export interface TransomUser {
  _id: unknown;
}

/**
 * The uid of a user.
 * @throws `GC_INVALID_ARGUMENT` unless it is an object with a valid `_id`
 */
export function uidOf(argument: string, user: unknown): string {
  if (typeof user !== "object" || user === null || Array.isArray(user)) {
    throw invalid(argument, user, "a user: an object with an _id");
  }
  const { _id: id } = user as TransomUser;
  return checkId(`${argument}._id`, hasText(id) ? id.toString() : id);
}

/**
 * A user as the JSON of a token has it, with an `_id` that is the same uid again: the JSON of an object may be another than its text.
 * @throws as {@link uidOf}; `GC_MESSAGE_NOT_SERIALIZABLE`, `GC_MESSAGE_TOO_LARGE`
 */
export function asPayload(argument: string, user: unknown): TransomUser {
  const uid = uidOf(argument, user);
  const copy = JSON.parse(encodeJson(argument, user, { maxBytes: MAX_PAYLOAD_BYTES, bound: "a token" })) as TransomUser;
  return String(copy._id) === uid ? copy : { ...copy, _id: uid };
}

function hasText(id: unknown): id is { toString(): string } {
  return typeof id === "object" && id !== null && id.toString !== Object.prototype.toString;
}

/** Of one user, or several. @throws as {@link uidOf} */
export function uidsOf(argument: string, users: unknown): string[] {
  if (!Array.isArray(users)) return [uidOf(argument, users)];
  return users.map((user, index) => uidOf(`${argument}[${index}]`, user));
}
