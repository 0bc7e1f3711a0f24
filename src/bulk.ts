import type { ChannelManager, JoinReason, LeaveReason, Membership, RestoredMembership } from "./types.js";

/** Adds many members: in one call where the manager has `bulk`, else in one each. Resolves how many were not members. */
export function addMany(
  manager: ChannelManager,
  memberships: RestoredMembership[],
  reason: JoinReason,
): Promise<number> {
  if (memberships.length === 0) return Promise.resolve(0);
  if (manager.capabilities?.bulk && manager.addMany) return Promise.resolve(manager.addMany(memberships, reason));
  return countTrue(memberships, ({ name, uid, sid }) => manager.add(name, uid, sid));
}

/** Takes many members out: in one call where the manager has `bulk`, else in one each. Resolves how many were members. */
export function leaveMany(manager: ChannelManager, memberships: Membership[], reason: LeaveReason): Promise<number> {
  if (memberships.length === 0) return Promise.resolve(0);
  if (manager.capabilities?.bulk && manager.leaveMany) return Promise.resolve(manager.leaveMany(memberships, reason));
  return countTrue(memberships, ({ name, uid, sid }) => manager.leave(name, uid, sid));
}

async function countTrue<T>(items: T[], call: (item: T) => boolean | Promise<boolean>): Promise<number> {
  const results = await Promise.all(items.map(call));
  return results.filter(Boolean).length;
}
