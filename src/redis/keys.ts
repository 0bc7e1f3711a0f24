/**
 * Every key and pub/sub channel of layout version 1, of one partition (see `layout.ts`): of a standalone Redis, where all keys of one
 * channel share the hash tag `{channel}`; or of a Redis Cluster, where the prefix ends with the hash tag of the partition.
 *
 * Names are escaped so that no two (name, sid) pairs share a key: there is no `}` within `{…}`, so that a channel's name ends
 * where the tag does; and a sid or uid comes last, so that colons of its own make nothing ambiguous.
 */
export class Keys {
  /** hash: sid -> lease (see the registry's scripts). */
  readonly servers: string;
  /** set: sids that have members. */
  readonly sids: string;
  /** What the pub/sub channel of a sid's changes begins with. */
  readonly changesPrefix: string;
  /** What the pub/sub channel of a sid's inbox begins with. */
  readonly inboxPrefix: string;
  readonly #prefix: string;
  readonly #repliesPrefix: string;

  /** Pub/sub channels are not separated by database as keys are, so that they carry its number. */
  constructor(prefix: string, db: number) {
    this.#prefix = prefix;
    this.servers = `${prefix}:servers`;
    this.sids = `${prefix}:sids`;
    this.changesPrefix = `${prefix}:ch:${db}:`;
    this.inboxPrefix = `${prefix}:in:${db}:`;
    this.#repliesPrefix = `${prefix}:re:${db}:`;
  }

  /** hash: sid -> `<epoch>.<counter>.<count>`: the frontends with members, their versions and how many there are. */
  sets(name: string): string {
    return `${this.#prefix}:{${escape(name)}${SETS_MARK}`;
  }

  /** set: uids of the channel's members at `sid`. */
  members(name: string, sid: string): string {
    return this.membersPrefix(name) + escape(sid);
  }

  membersPrefix(name: string): string {
    return `${this.#prefix}:{${escape(name)}${MEMBERS_MARK}`;
  }

  /**
   * sorted set, by time in seconds: `-sid uid` who was told to leave, `!` that the channel was destroyed, `+sid uid` who has joined
   * since: a frontend that restores what was lost brings back nobody who is to stay away; kept for a while.
   */
  farewells(name: string): string {
    return `${this.#prefix}:{${escape(name)}${FAREWELLS_MARK}`;
  }

  /** set: former members at `sid` of a channel that was destroyed, until each one's `leave` has been told. */
  untold(name: string, sid: string): string {
    return this.untoldPrefix(name) + escape(sid);
  }

  untoldPrefix(name: string): string {
    return `${this.#prefix}:{${escape(name)}${UNTOLD_MARK}`;
  }

  /** hash: of a channel's history its epoch `e`, its newest offset `o`, and `r`, the run of the server that has begun the epoch. */
  history(name: string): string {
    return `${this.#prefix}:{${escape(name)}}:h`;
  }

  /** stream: the messages of a channel's history; the id of each is `<offset>-0`. */
  messages(name: string): string {
    return `${this.#prefix}:{${escape(name)}}:x`;
  }

  /** string: what is known of a push to the channel, maybe among others, with this idempotency key: a line of positions, and its outcome. */
  pushed(name: string, idempotencyKey: string): string {
    return `${this.#prefix}:{${escape(name)}}:i:${escape(idempotencyKey)}`;
  }

  /** set: names of the channels with members at `sid`: what to clean up when it dies. */
  channelsAt(sid: string): string {
    return this.channelsAtPrefix + escape(sid);
  }

  get channelsAtPrefix(): string {
    return `${this.#prefix}:srv:`;
  }

  /** set: uids with sessions at `sid`. */
  usersAt(sid: string): string {
    return `${this.#prefix}:on:${escape(sid)}`;
  }

  /** hash: sid -> incarnation where this user has sessions. */
  user(uid: string): string {
    return `${this.#prefix}:u:${escape(uid)}`;
  }

  /** hash: where a subscriber is in its channels, and what its owner has noted. */
  subscriber(id: string): string {
    return `${this.#prefix}:sub:${escape(id)}`;
  }

  /** string: the record of a one-time token, which expires with it. */
  token(id: string): string {
    return `${this.#prefix}:tok:${escape(id)}`;
  }

  /** pub/sub: changes of the member sets at `sid`. */
  changes(sid: string): string {
    return this.changesPrefix + escape(sid);
  }

  /** pub/sub: requests to `sid`. */
  inbox(sid: string): string {
    return this.inboxPrefix + escape(sid);
  }

  /** pub/sub: replies to a caller. */
  replies(caller: string): string {
    return this.#repliesPrefix + caller;
  }

  /** pub/sub pattern of the changes of every sid; the prefix has no pattern characters. */
  get allChanges(): string {
    return `${this.changesPrefix}*`;
  }

  /** pub/sub: matches {@link allChanges}, but is no sid's, for those are not empty. Probes go there; in a cluster, all changes, too. */
  get noChanges(): string {
    return this.changesPrefix;
  }

  /** Whether a key is one of this prefix, and not of a longer one such as `<prefix>:test`. */
  isOwn(key: string): boolean {
    return key.startsWith(this.#prefix) && KEY_PATTERN.test(key.slice(this.#prefix.length));
  }

  /** No key: nothing is ever there. */
  get nothing(): string {
    return `${this.#prefix}:nothing`;
  }
}

/** What tells the keys of one channel apart. Scripts make those that they seldom need of others: to be given them would cost more. */
export const SETS_MARK = "}:s";
export const FAREWELLS_MARK = "}:g";
export const MEMBERS_MARK = "}:m:";
export const UNTOLD_MARK = "}:d:";

/**
 * The prefixes that {@link Keys} takes: no braces, which would move the hash tag, no pattern characters, and no part that
 * would make the keys of one prefix look like those of another, as `gc:u` would like those of `gc`.
 */
export const PREFIX_PATTERN = /^(?!.*:(srv|sids|servers|on|u|sub|tok|in|re|ch)(:|$))[\w.:@/-]{1,128}$/;

/** What follows the prefix in every key. */
const KEY_PATTERN = /^:(\{[^}]*\}:([sghx]$|[mdi]:)|srv:|on:|u:|sub:|tok:|sids$|servers$)/;

/** Makes a name safe within a key, and within a list with spaces between. Reversible, and different for different names. */
export function escape(name: string): string {
  // Most names have nothing to escape, and this is done several times for each change.
  if (!/[%{} ]/.test(name)) return name;
  return name.replace(/[%{} ]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

export function unescape(escaped: string): string {
  // Most names have nothing to escape, and this is done for each frontend of each push.
  if (!escaped.includes("%")) return escaped;
  return escaped.replace(/%(20|25|7B|7D)/g, (_match, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}
