import type { RedisConnection } from "./connection.js";
import { escape } from "./keys.js";
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
 * Reads the leases that are live.
 * KEYS: 1 servers
 * ARGV: none
 * Returns {sid (escaped), stype (percent-encoded), how long it lasts (ms), sid, ...}.
 */
const readLive = defineScript(
  "readLive",
  /* lua */ `${LEASES}
local found, time = {}, now()
local leases = redis.call('HGETALL', KEYS[1])
for i = 1, #leases, 2 do
  local deadline, live, _, rest = parseLease(leases[i + 1])
  if live and deadline > time then
    found[#found + 1] = leases[i]
    found[#found + 1] = string.match(rest, '^%S+')
    found[#found + 1] = deadline - time
  end
end
return found`,
);

/** The leases that are live: sids escaped, types percent-encoded. 1 round trip. */
export async function readLeases(
  connection: RedisConnection,
): Promise<{ sid: string; stype: string; msLeft: number }[]> {
  const flat = await connection.run<(string | number)[]>(readLive, [connection.layout.servers], []);
  const leases: { sid: string; stype: string; msLeft: number }[] = [];
  for (let index = 0; index < flat.length; index += 3) {
    leases.push({ sid: String(flat[index]), stype: String(flat[index + 1]), msLeft: Number(flat[index + 2]) });
  }
  return leases;
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
