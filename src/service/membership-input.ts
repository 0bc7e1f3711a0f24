import { checkList, checkName, checkId, invalid } from "../arguments.js";
import type { Membership } from "../types.js";

/** A user id: a number is the same user as its decimal string. */
export type Uid = string | number;

/** A frontend's id: a number is the same frontend as its decimal string. */
export type Sid = string | number;

/** A {@link Membership} as callers give it. */
export interface MembershipInput extends Omit<Membership, "uid" | "sid"> {
  uid: Uid;
  sid: Sid;
}

export function checkMembership({ name, uid, sid }: MembershipInput, prefix = ""): Membership {
  return {
    name: checkName(`${prefix}name`, name),
    uid: checkId(`${prefix}uid`, uid),
    sid: checkId(`${prefix}sid`, sid),
  };
}

export function checkMemberships(memberships: readonly MembershipInput[]): Membership[] {
  return checkList("memberships", memberships, (argument, item) => {
    if (typeof item !== "object" || item === null) throw invalid(argument, item, "an object { name, uid, sid }");
    return checkMembership(item as MembershipInput, `${argument}.`);
  });
}

/** How much a call for these counts: it is not checked yet whether they are any. */
export function sizeOf(memberships: unknown): number {
  return Array.isArray(memberships) ? memberships.length : 1;
}
