import { createHash } from "node:crypto";
import { checkName } from "../../../../arguments.js";
import { userRoom } from "../rooms/user-room.js";
import type { TokenPayload } from "../../tokens/token-verifier.js";

/** What a user has connected with. */
export type Device = "web" | "ios" | "android";

const MARKS: Readonly<Record<Device, string>> = { web: "t", ios: "i", android: "a" };

/** Who connects as a consumer. */
export interface ConsumerIdentity {
  /** The same for the same token, on whatever broker: what waits for a consumer is under it. Who has it may read that. */
  readonly id: string;
  readonly userId: string;
}

/**
 * Who has this token, and with what.
 * @throws `GC_INVALID_ARGUMENT` it has no `userId`, or one that is too long for the name of a room
 */
export function identify(token: string, { userId, source }: TokenPayload): ConsumerIdentity {
  // Nobody finds one by trying, though all that a token says may be known. The mark tells the device without asking anybody.
  const hash = createHash("sha256").update(token).digest("base64url").slice(0, 32);
  const user = checkName("userId", userId);
  checkName("userId", userRoom(user));
  return { id: `${MARKS[deviceOf(source)]}.${hash}`, userId: user };
}

function deviceOf(source: unknown): Device {
  const name = String(source).toLowerCase();
  return name === "ios" || name === "android" ? name : "web";
}

/** What the consumer with this id has connected with. */
export function deviceWith(id: string): Device {
  if (id.startsWith(`${MARKS.ios}.`)) return "ios";
  return id.startsWith(`${MARKS.android}.`) ? "android" : "web";
}
