import type { Membership } from "../../src/types.js";
import { GlobalChannelMembers } from "./globalchannel.js";
import { OriginalMembers } from "./original.js";
import { RawMembers } from "./raw.js";

/** In the order in which they take turns. */
export const CONTENDERS = ["globalchannel", "original", "raw"] as const;
export type ContenderName = (typeof CONTENDERS)[number];

/** What can be done with members. What is resolved is how many members it was about, or nothing where it is not told. */
export interface Contender {
  start(): Promise<void>;
  add(name: string, uid: string, sid: string): Promise<boolean | void>;
  leave(name: string, uid: string, sid: string): Promise<boolean | void>;
  addMany(memberships: readonly Membership[]): Promise<number | void>;
  /** Takes a user out of all its channels. @param memberships all of them, for those who have to be told */
  leaveAll(uid: string, sid: string, memberships: readonly Membership[]): Promise<number | void>;
  destroyChannel(name: string): Promise<number | void>;
  /** How many members a channel has. */
  count(name: string): Promise<number>;
  getMembersBySid(name: string, sid: string): Promise<string[]>;
}

/** @param sids all frontends */
export function createContender(name: ContenderName, url: string, sids: readonly string[]): Contender {
  switch (name) {
    case "globalchannel":
      return new GlobalChannelMembers(url);
    case "original":
      return new OriginalMembers(url, sids);
    case "raw":
      return new RawMembers(url, sids);
  }
}
