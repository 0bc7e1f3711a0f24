import { IS_HELD, LEASES } from "../../redis/leases.js";
import { defineScript } from "../../redis/script.js";

/**
 * Notes of users that they have sessions at an incarnation of a frontend, unless another one holds the sid, or have none any more.
 * KEYS: 1 users at the sid, 2 servers, 3... users
 * ARGV: 1 sid (escaped), 2 incarnation (percent-encoded), 3... for each user `+`, or `-`, and its uid
 * Returns for each why it failed, or ''.
 */
export const changeSessions = defineScript(
  "changeSessions",
  /* lua */ `${LEASES}
local _, _, holder = parseLease(redis.call('HGET', KEYS[2], ARGV[1]) or '')
local function change(user, sign, uid)
  if sign == 43 then
    if holder and holder ~= ARGV[2] then return end
    redis.call('HSET', user, ARGV[1], ARGV[2])
    redis.call('SADD', KEYS[1], uid)
  elseif redis.call('HGET', user, ARGV[1]) == ARGV[2] then
    redis.call('HDEL', user, ARGV[1])
    redis.call('SREM', KEYS[1], uid)
  end
end
local failures = {}
for i = 3, #KEYS do
  local isDone, failure = pcall(change, KEYS[i], string.byte(ARGV[i]), string.sub(ARGV[i], 2))
  failures[#failures + 1] = isDone and '' or (type(failure) == 'table' and failure.err or tostring(failure))
end
return failures`,
);

/**
 * The same in a cluster, where users are not in the slot of the frontend.
 * KEYS: 1... users
 * ARGV: 1 sid (escaped), 2 incarnation (percent-encoded), 3 `+` or `-` for each user, as one text
 * Returns for each 1 if it has a session at the sid now, else 0, as one text.
 */
export const changeUsers = defineScript(
  "changeUsers",
  /* lua */ `
local signs, has = ARGV[3], {}
for i, user in ipairs(KEYS) do
  has[i] = 1
  if string.byte(signs, i) == 43 then
    redis.call('HSET', user, ARGV[1], ARGV[2])
  else
    local incarnation = redis.call('HGET', user, ARGV[1])
    if not incarnation or incarnation == ARGV[2] then has[i] = 0 end
    -- The last that is asked for: a key that is gone is not to be touched while its slot moves.
    if incarnation == ARGV[2] then redis.call('HDEL', user, ARGV[1]) end
  end
end
return table.concat(has)`,
);

/**
 * Reads where users have sessions.
 * KEYS: 1... users
 * ARGV: none
 * Returns for each user {sid (escaped), incarnation (percent-encoded), sid, incarnation, ...}.
 */
export const sessions = defineScript(
  "sessions",
  /* lua */ `
local places = {}
for i, user in ipairs(KEYS) do places[i] = redis.call('HGETALL', user) end
return places`,
);

/**
 * Forgets the sessions of some users at a frontend, except those of the incarnation that is alive there.
 * KEYS: 1 users at the sid, 2 servers, 3... users
 * ARGV: 1 sid (escaped), 2 incarnation that is evicted (percent-encoded), 3... uids, in the order of the users
 */
export const forgetSessions = defineScript(
  "forgetSessions",
  /* lua */ `${IS_HELD}
local lease = isHeld(KEYS[2], ARGV[1], ARGV[2]) and redis.call('HGET', KEYS[2], ARGV[1])
local _, _, holder = parseLease(lease or '')
for i = 3, #KEYS do
  if redis.call('HGET', KEYS[i], ARGV[1]) ~= holder or not holder then
    redis.call('HDEL', KEYS[i], ARGV[1])
    redis.call('SREM', KEYS[1], ARGV[i])
  end
end`,
);

/**
 * The same in a cluster, where users are not in the slot of the frontend.
 * KEYS: 1... users
 * ARGV: 1 sid (escaped), 2 incarnation that is alive there (percent-encoded), '' if none is
 * Returns for each 1 if it has a session at the sid still, else 0, as one text.
 */
export const forgetUsers = defineScript(
  "forgetUsers",
  /* lua */ `
local has = {}
for i, user in ipairs(KEYS) do
  has[i] = redis.call('HGET', user, ARGV[1]) == ARGV[2] and 1 or 0
  if has[i] == 0 then redis.call('HDEL', user, ARGV[1]) end
end
return table.concat(has)`,
);
