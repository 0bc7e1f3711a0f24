import { LEASES } from "../../redis/leases.js";
import { defineScript } from "../../redis/script.js";

/** Lua: `write(sid, deadline, live, incarnation, rest)`. */
const WRITE = /* lua */ `
local function write(sid, deadline, live, incarnation, rest)
  redis.call('HSET', KEYS[1], sid, string.format('%.0f', deadline) .. ' ' .. live .. ' ' .. incarnation .. ' ' .. rest)
end
`;

/**
 * Reserves a sid.
 * KEYS: 1 servers
 * ARGV: 1 sid (escaped), 2 incarnation, 3 lease (ms), 4 stype and holder
 * Returns the stype and holder of the live lease that is in the way, or false.
 */
export const register = defineScript(
  "register",
  /* lua */ `${LEASES}${WRITE}
local lease = redis.call('HGET', KEYS[1], ARGV[1])
if lease then
  local deadline, _, incarnation, rest = parseLease(lease)
  if incarnation ~= ARGV[2] and deadline > now() then return rest end
end
write(ARGV[1], now() + ARGV[3], 0, ARGV[2], ARGV[4] .. ' reserved')
return false`,
);

/**
 * Renews a lease, and publishes a probe of the subscriptions of who asks: a command of its own would double what it costs to
 * be idle.
 * KEYS: 1 servers
 * ARGV: 1 sid (escaped), 2 incarnation, 3 lease (ms), 4 stype and holder, 5 term that was heard of, 6 end of a new term's name,
 *       7 text of the probe, if any, 8... its pub/sub channels
 * Returns {what had become of it, term}: held, lapsed, missing or taken, which has no term.
 */
export const renew = defineScript(
  "renew",
  /* lua */ `${LEASES}${WRITE}
for i = 8, #ARGV do redis.call('PUBLISH', ARGV[i], ARGV[7]) end
local lease = redis.call('HGET', KEYS[1], ARGV[1])
local state, term = 'missing', nil
if lease then
  local deadline, _, incarnation, rest = parseLease(lease)
  if incarnation ~= ARGV[2] then return {'taken'} end
  -- From the end: without the anchor names of some KiB would take 100 ms.
  term = string.match(rest, '^.* (%S+)$')
  local unheard = term ~= ARGV[5] and string.match(term, '^(%a+):')
  if unheard ~= 'missing' then state = unheard or (deadline > now() and 'held' or 'lapsed') end
end
if state ~= 'held' then term = state .. ':' .. ARGV[6] end
write(ARGV[1], now() + ARGV[3], 1, ARGV[2], ARGV[4] .. ' ' .. term)
return {state, term}`,
);

/**
 * Forgets a lease.
 * KEYS: 1 servers
 * ARGV: 1 sid (escaped), 2 incarnation, 3 1: only if it has ended
 * Returns whether it was there.
 */
export const unregister = defineScript(
  "unregister",
  /* lua */ `${LEASES}
local lease = redis.call('HGET', KEYS[1], ARGV[1])
if not lease then return 0 end
local deadline, _, incarnation = parseLease(lease)
if incarnation ~= ARGV[2] or (ARGV[3] == '1' and deadline > now()) then return 0 end
return redis.call('HDEL', KEYS[1], ARGV[1])`,
);
