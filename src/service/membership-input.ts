import { checkList, checkName, checkUid, invalid } from "../arguments.js";
import type { Membership } from "../types.js";

/** A user id: a number is the same user as its decimal string. */
export type Uid = string | number;

/** A {@link Membership} as callers give it. */
export interface MembershipInput extends Omit<Membership, "uid"> {
  uid: Uid;
}

export function checkMembership({ name, uid, sid }: MembershipInput, prefix = ""): Membership {
  return {
    name: checkName(`${prefix}name`, name),
    uid: checkUid(`${prefix}uid`, uid),
    sid: checkName(`${prefix}sid`, sid),
  };
}

export function checkMemberships(memberships: readonly MembershipInput[]): Membership[] {
  return checkList("memberships", memberships, (argument, item) => {
    if (typeof item !== "object" || item === null) throw invalid(argument, item, "an object { name, uid, sid }");
    return checkMembership(item as MembershipInput, `${argument}.`);
  });
}
