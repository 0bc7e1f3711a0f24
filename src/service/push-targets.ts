import type { FrontendId, FrontendInfo } from "../types.js";
import type { MemberCopies } from "./member-reader.js";

/** The members at a frontend of any of these channels, each once, without some. */
export function unite(channels: readonly MemberCopies[], sid: string, except: readonly string[]): readonly string[] {
  if (channels.length === 1 && except.length === 0) return channels[0]?.get(sid)?.uids ?? [];
  return without(new Set(channels.flatMap((copies) => copies.get(sid)?.uids ?? [])), except);
}

/** Users, without some. */
export function without(uids: Iterable<string>, except: readonly string[]): string[] {
  const left = new Set(uids);
  for (const uid of except) left.delete(uid);
  return [...left];
}

/** Groups users by the frontends where they have sessions. */
export function locate(
  uids: readonly string[],
  sessions: readonly FrontendId[][],
  frontends: readonly FrontendInfo[],
): { bySid: Map<string, string[]>; absent: string[] } {
  const incarnations = new Map(frontends.map(({ sid, incarnation }) => [sid, incarnation]));
  const bySid = new Map<string, string[]>();
  const absent: string[] = [];
  uids.forEach((uid, index) => {
    const places = (sessions[index] ?? []).filter(({ sid, incarnation }) => incarnations.get(sid) === incarnation);
    if (places.length === 0) absent.push(uid);
    for (const { sid } of places) {
      const there = bySid.get(sid);
      if (there) there.push(uid);
      else bySid.set(sid, [uid]);
    }
  });
  return { bySid, absent };
}

export function ofType(frontends: readonly FrontendInfo[], stype: string): FrontendInfo[] {
  return frontends.filter((frontend) => frontend.stype === stype);
}
