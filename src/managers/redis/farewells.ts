import { FAREWELLS_MARK, MEMBERS_MARK, SETS_MARK, UNTOLD_MARK } from "../../redis/keys.js";

/** How many old notes one script call takes out at most: takes Redis about a millisecond. */
const MAX_TRIMMED = 2000;

/**
 * Lua: what is kept for a while of those who are not to come back, as a frontend that has not heard of it may restore them. A
 * channel's farewells are a sorted set, by the time in seconds: `!` if the channel was destroyed, `-sid uid` who was told to leave,
 * and, where it was destroyed, `+sid uid` who has joined since. Sids are escaped, so that a space ends them.
 *
 * `noteGone(sets, sid, uids, keepSeconds)`: they were told to leave.
 * `noteJoined(sets, members, sid, uids)`: they join. Returns those of whose leave, when the channel was destroyed, nobody has been
 * told yet (`untold`, see `destroy`): that comes first.
 * `noteDestroyed(sets, keepSeconds)`: the channel is destroyed; what was noted before is of no account.
 * `split(sets, sid, uids, leftMsAgo, keepSeconds)`: of those who are to be restored, who may be, and who may not. What their frontend
 * has heard of itself, and that they are back since, keeps nobody out: a store that has lost the last changes has lost that.
 */
export const FAREWELLS = /* lua */ `
local function farewellsOf(sets) return string.sub(sets, 1, ${-SETS_MARK.length - 1}) .. '${FAREWELLS_MARK}' end
local seconds, microseconds
local function readTime()
  if not seconds then seconds, microseconds = unpack(redis.call('TIME')) end
end
local function note(farewells, sign, sid, uids)
  readTime()
  local scored = {}
  for _, uid in ipairs(uids) do
    scored[#scored + 1] = seconds
    scored[#scored + 1] = sign .. sid .. ' ' .. uid
  end
  redis.call('ZADD', farewells, unpack(scored))
end
local room = ${MAX_TRIMMED}
local function trim(farewells, keepSeconds)
  if room == 0 then return end
  local old = redis.call('ZCOUNT', farewells, '-inf', '(' .. (seconds - keepSeconds))
  if old == 0 then return end
  -- The oldest first, and of one second '!' before each '+', which only has to be kept as long as that.
  room = room - redis.call('ZREMRANGEBYRANK', farewells, 0, math.min(old, room) - 1)
end
local function noteGone(sets, sid, uids, keepSeconds)
  local farewells = farewellsOf(sets)
  note(farewells, '-', sid, uids)
  -- One time in 16 for each of them: what is kept for longer has no effect.
  if microseconds % 16 < #uids then trim(farewells, keepSeconds) end
  redis.call('EXPIRE', farewells, keepSeconds)
end
local function noteJoined(sets, members, sid, uids)
  local farewells, wanted, late = farewellsOf(sets), {'!'}, {}
  -- Mostly there are none, and of many that is cheaper to know.
  if #uids > 1 and redis.call('EXISTS', farewells) == 0 then return late end
  for _, uid in ipairs(uids) do wanted[#wanted + 1] = '-' .. sid .. ' ' .. uid end
  local scores = redis.call('ZMSCORE', farewells, unpack(wanted))
  for i = 2, #wanted do
    if scores[i] then redis.call('ZREM', farewells, wanted[i]) end
  end
  if not scores[1] or #uids == 0 then return late end
  note(farewells, '+', sid, uids)
  local untold = string.gsub(members, '${MEMBERS_MARK}', '${UNTOLD_MARK}', 1)
  if redis.call('EXISTS', untold) == 0 then return late end
  for _, uid in ipairs(uids) do
    if redis.call('SREM', untold, uid) == 1 then late[#late + 1] = uid end
  end
  return late
end
local function noteDestroyed(sets, keepSeconds)
  local farewells = farewellsOf(sets)
  readTime()
  redis.call('UNLINK', farewells)
  redis.call('ZADD', farewells, seconds, '!')
  redis.call('EXPIRE', farewells, keepSeconds)
end
local function split(sets, sid, uids, leftMsAgo, keepSeconds)
  local farewells, may, mayNot = farewellsOf(sets), {}, {}
  if redis.call('EXISTS', farewells) == 0 then return uids, mayNot end
  readTime()
  local destroyed = redis.call('ZSCORE', farewells, '!')
  for place, uid in ipairs(uids) do
    local since = seconds - keepSeconds
    -- The clocks of two servers differ a little.
    if leftMsAgo[place] >= 0 then since = math.max(since, seconds - math.floor(leftMsAgo[place] / 1000) + 2) end
    local function isKept(score) return score and tonumber(score) >= since end
    local who = sid .. ' ' .. uid
    local gone, joined = unpack(redis.call('ZMSCORE', farewells, '-' .. who, '+' .. who))
    local into = not isKept(gone) and (joined or not isKept(destroyed)) and may or mayNot
    into[#into + 1] = uid
  end
  return may, mayNot
end
`;
