import { chunks } from "../batches.js";
import type { FrontendInfo } from "../types.js";
import type { RedisConnection } from "./connection.js";
import { escape, unescape } from "./keys.js";
import { defineScript } from "./script.js";

/*
 * A lease in the hash of servers is `<deadline> <live> <incarnation> <stype> <holder> <term>`: the deadline in milliseconds on the
 * clock of Redis, live 1 once it was renewed, the next three percent-encoded so that they have no spaces. The term names how the
 * lease began when it was last not just held on, `missing:…` or `lapsed:…`, `reserved` at first: whoever renews a lease says
 * which term it has heard of, so that it learns of another one also where the answer to the renewal that began it was lost.
 */

/** Lua: `now()`: the time in milliseconds. */
export const NOW = /* lua */ `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`;

/** Lua: `parseLease(lease)`: its deadline, whether it is live, its incarnation, and the rest as text; and {@link NOW}. */
export const LEASES = /* lua */ `${NOW}
local function parseLease(lease)
  local deadline, live, incarnation, rest = string.match(lease, '^(%d+) (%d) (%S+) (.*)$')
  return tonumber(deadline), live == '1', incarnation, rest
end
`;

/** Lua: `isHeld(servers, sid, incarnation)`: whether evicting that incarnation's members would hurt a live frontend. */
export const IS_HELD = /* lua */ `${LEASES}
local function isHeld(servers, sid, incarnation)
  local lease = redis.call('HGET', servers, sid)
  if not lease then return false end
  local deadline, isLive, holder = parseLease(lease)
  return holder ~= incarnation or (isLive and deadline > now())
end
`;

/**
 * Reads a lease, and the time.
 * KEYS: 1 servers
 * ARGV: 1 sid (escaped)
 * Returns {lease or false, the time in milliseconds}.
 */
const readLease = defineScript(
  "readLease",
  /* lua */ `${NOW}
return {redis.call('HGET', KEYS[1], ARGV[1]), now()}`,
);

/**
 * Lists leases.
 * KEYS: 1 servers
 * ARGV: 1 'live', or 2 'dead' and after it for how long (ms)
 * Returns {sid (escaped), incarnation, stype and holder, how long it lasts (ms; below 0: how long ago it ended), sid, ...}.
 */
const list = defineScript(
  "list",
  /* lua */ `${LEASES}
local found, time = {}, now()
local leases = redis.call('HGETALL', KEYS[1])
for i = 1, #leases, 2 do
  local deadline, live, incarnation, rest = parseLease(leases[i + 1])
  local wanted
  if ARGV[1] == 'live' then wanted = live and deadline > time else wanted = deadline + tonumber(ARGV[2]) < time end
  if wanted then
    found[#found + 1] = leases[i]
    found[#found + 1] = incarnation
    found[#found + 1] = rest
    found[#found + 1] = deadline - time
  end
end
return found`,
);

/** Those that are live, or that ended more than so many milliseconds ago. */
export type LeaseFilter = ["live"] | ["dead", number];

interface ListedLease extends FrontendInfo {
  /** How long it lasts. */
  msLeft: number;
}

/** 1 round trip. */
export async function listLeases(connection: RedisConnection, ...filter: LeaseFilter): Promise<ListedLease[]> {
  type Listed = [sid: string, incarnation: string, description: string, msLeft: number];
  const flat = await connection.run<unknown[]>(list, [connection.layout.servers], filter);
  return chunks(flat, 4).map((listed) => {
    const [sid, incarnation, description, msLeft] = listed as Listed;
    const { stype, holder } = parseDescription(description);
    return { sid: unescape(sid), incarnation: decodeURIComponent(incarnation), stype, holder, msLeft };
  });
}

/** The stype and the holder in a lease. */
export function parseDescription(description: string): { stype: string; holder: string } {
  const [stype = "", holder = ""] = description.split(" ");
  return { stype: decodeURIComponent(stype), holder: decodeURIComponent(holder) };
}

/** A lease as others see it. */
interface SeenLease {
  incarnation: string;
  isLive: boolean;
}

/** The lease of a sid; undefined if there is none. 1 round trip. */
async function seeLease(connection: RedisConnection, sid: string): Promise<SeenLease | undefined> {
  const [lease, now] = await connection.run<[string | null, number]>(
    readLease,
    [connection.layout.servers],
    [escape(sid)],
  );
  if (lease === null) return undefined;
  const [deadline, live, incarnation] = lease.split(" ");
  return { incarnation: decodeURIComponent(incarnation!), isLive: live === "1" && Number(deadline) > now };
}

/** Whether a frontend is alive. */
export async function isAlive(connection: RedisConnection, sid: string): Promise<boolean> {
  return (await seeLease(connection, sid))?.isLive ?? false;
}

/** The incarnation that the eviction of another one would hurt, or of itself as it is alive: as `isHeld` in Lua. */
export async function readHolder(
  connection: RedisConnection,
  sid: string,
  incarnation: string,
): Promise<string | undefined> {
  const lease = await seeLease(connection, sid);
  return lease && (lease.incarnation !== incarnation || lease.isLive) ? lease.incarnation : undefined;
}
