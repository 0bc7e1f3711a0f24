import { checkInteger, checkName, invalid } from "../arguments.js";
import { isUnavailable } from "../errors.js";
import { optional, resolveOptions } from "../options.js";
import type { Cluster, FrontendId, FrontendInfo, Member, Membership } from "../types.js";

/** A page of members. */
export interface MemberPage {
  members: Member[];
  /** Asks for the next page; undefined: this was the last one. */
  cursor: string | undefined;
}

/** Of `service.listMembers`. */
export interface PageOptions {
  /** Only members at frontends of this type. @default of any */
  stype?: string;
  /** How many members, about: 1 to 10,000. @default 100 */
  limit?: number;
  /** Of the page before. @default the first page */
  cursor?: string;
}

/** Answers questions about members, never counting those of frontends that are not alive. */
export class MembershipQueries {
  readonly #cluster: Cluster;
  readonly #timeoutMs: number;

  constructor(cluster: Cluster, timeoutMs: number) {
    this.#cluster = cluster;
    this.#timeoutMs = timeoutMs;
  }

  async membersBySid(name: string, sid: string): Promise<string[]> {
    const { manager, registry } = this.#cluster;
    const [live, uids] = await Promise.all([registry.list(), manager.getMembersBySid(name, sid)]);
    return live.some((frontend) => frontend.sid === sid) ? uids : [];
  }

  async membersByType(stype: string, name: string): Promise<string[]> {
    const frontends = await this.#frontends(stype);
    const sets = await this.#memberLists(name, frontends);
    return [...new Set(sets.flat())];
  }

  async isMember(name: string, uid: string): Promise<boolean> {
    const { manager, registry } = this.#cluster;
    if (manager.capabilities?.queries && manager.findMember) {
      const [live, sids] = await Promise.all([registry.list(), manager.findMember(name, uid)]);
      return live.some(({ sid }) => sids.includes(sid));
    }
    const frontends = await registry.list();
    const sets = await this.#memberLists(name, frontends);
    return sets.some((uids) => uids.includes(uid));
  }

  async count(name: string, stype: string | undefined): Promise<number> {
    const { manager } = this.#cluster;
    if (manager.capabilities?.versions && manager.getMemberSets) {
      const [frontends, sets] = await Promise.all([this.#frontends(stype), manager.getMemberSets(name)]);
      const sids = new Set(frontends.map(({ sid }) => sid));
      return sets.reduce((total, { sid, count }) => (sids.has(sid) ? total + count : total), 0);
    }
    const frontends = await this.#frontends(stype);
    const sets = await this.#memberLists(name, frontends);
    return sets.reduce((total, uids) => total + uids.length, 0);
  }

  /** The page after `cursor`. Frontends are paged one after the other, in the order of their sids. */
  async page(channel: string, options: PageOptions): Promise<MemberPage> {
    const {
      stype,
      limit,
      cursor: from,
    } = resolveOptions("listMembers", options, {
      stype: optional(checkName),
      limit: (option, value = 100) => checkInteger(option, value, { min: 1, max: 10_000 }),
      cursor: optional(checkCursor),
    });
    const name = checkName("name", channel);
    const frontends = await this.#frontends(stype);
    const sids = frontends.map(({ sid }) => sid).toSorted();
    // The frontend of the cursor may have gone since: then its members have too, and the next one is next.
    const rest = from ? sids.filter((sid) => sid >= from.sid) : sids;
    for (const [index, sid] of rest.entries()) {
      const page = await this.#scan(name, sid, sid === from?.sid ? from.position : "", limit);
      const next = page.cursor === "" ? { sid: rest[index + 1], position: "" } : { sid, position: page.cursor };
      if (page.uids.length > 0 || next.sid === undefined) {
        return {
          members: page.uids.map((uid) => ({ uid, sid })),
          cursor: next.sid === undefined ? undefined : JSON.stringify([next.sid, next.position]),
        };
      }
      if (page.cursor !== "") {
        // A page may be empty although it is not the last one of its frontend.
        return { members: [], cursor: JSON.stringify([sid, page.cursor]) };
      }
    }
    return { members: [], cursor: undefined };
  }

  /** The sids of the live frontends where a user has sessions. */
  async sids(uid: string): Promise<string[]> {
    const places = await this.#places(uid);
    return places.map(({ sid }) => sid);
  }

  /** A user's channels where it has sessions: as the manager knows them, or else the frontends there. */
  async channels(uid: string): Promise<string[]> {
    const { manager, registry } = this.#cluster;
    if (manager.capabilities?.userIndex && manager.getMembershipsByUid) {
      const reading = manager.capabilities.presence ? this.#places(uid) : registry.list();
      const [places, memberships] = await Promise.all([reading, manager.getMembershipsByUid(uid)]);
      const sids = new Set(places.map(({ sid }) => sid));
      return [...new Set(memberships.filter(({ sid }) => sids.has(sid)).map(({ name }) => name))];
    }
    const places = await this.#places(uid);
    const names = await Promise.all(places.map(({ sid }) => this.#channelsAt(uid, sid)));
    return [...new Set(names.flat())];
  }

  /** A user's memberships at one frontend, live or not. */
  async membershipsAt(uid: string, sid: string): Promise<Membership[]> {
    const { manager } = this.#cluster;
    if (manager.capabilities?.userIndex && manager.getMembershipsByUid) return manager.getMembershipsByUid(uid, sid);
    const names = await this.#channelsAt(uid, sid);
    return names.map((name) => ({ name, uid, sid }));
  }

  /** A user's channels at one frontend: as it knows them, or as the store does where the frontend does not answer. */
  async #channelsAt(uid: string, sid: string): Promise<string[]> {
    const { manager, transport } = this.#cluster;
    try {
      const { names } = await transport.request(sid, { type: "channels", uid }, { timeoutMs: this.#timeoutMs });
      return [...names];
    } catch (error) {
      // Without the store the second way is no better.
      if (isUnavailable(error)) throw error;
    }
    const names = (await manager.getChannelsBySid?.(sid)) ?? [];
    const sets = await Promise.all(names.map((name) => manager.getMembersBySid(name, sid)));
    return names.filter((_name, index) => sets[index]?.includes(uid));
  }

  async #places(uid: string): Promise<FrontendId[]> {
    const { manager, registry } = this.#cluster;
    const [live, sessions] = await Promise.all([registry.list(), manager.getSessions?.([uid]) ?? []]);
    const incarnations = new Set(live.map(({ incarnation }) => incarnation));
    return (sessions[0] ?? []).filter(({ incarnation }) => incarnations.has(incarnation));
  }

  async #frontends(stype: string | undefined): Promise<FrontendInfo[]> {
    const live = await this.#cluster.registry.list();
    return stype === undefined ? live : live.filter((frontend) => frontend.stype === stype);
  }

  /** The uids of a channel at each of these frontends. */
  #memberLists(name: string, frontends: readonly FrontendInfo[]): Promise<string[][]> {
    return Promise.all(frontends.map(({ sid }) => this.#cluster.manager.getMembersBySid(name, sid)));
  }

  async #scan(name: string, sid: string, position: string, limit: number): Promise<{ uids: string[]; cursor: string }> {
    const { manager } = this.#cluster;
    if (manager.capabilities?.queries && manager.scanMembers) return manager.scanMembers(name, sid, position, limit);
    return { uids: await manager.getMembersBySid(name, sid), cursor: "" };
  }
}

/** Where a page begins: at a position of a frontend's member set, as the manager counts it. */
interface Cursor {
  sid: string;
  position: string;
}

/** Longer than any cursor that was given out: two names in JSON, where a character can take six. */
const MAX_CURSOR_LENGTH = 16_384;

/** Reads a cursor. It comes back from callers, who may have got it from a client, so that it is checked like any argument. */
function checkCursor(argument: string, cursor: unknown): Cursor {
  if (typeof cursor === "string" && cursor.length <= MAX_CURSOR_LENGTH) {
    try {
      const [sid, position] = JSON.parse(cursor) as [unknown, unknown];
      if (typeof sid === "string" && typeof position === "string") return { sid, position };
    } catch {
      // Refused below.
    }
  }
  throw invalid(argument, cursor, "a cursor that came with an earlier page");
}
