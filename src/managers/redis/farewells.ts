import { ENDED_MARK, GONE_MARK, JOINED_MARK, MEMBERS_MARK, SETS_MARK, UNTOLD_MARK } from "../../redis/keys.js";

/**
 * Lua: what is kept for a while of those who are not to come back, as a frontend that has not heard of it may restore them: who was
 * told to leave (`gone`), that the channel was destroyed (`ended`), and who has joined since (`joined`).
 *
 * `noteGone(members, uids, keepSeconds)`: they were told to leave.
 * `noteJoined(sets, members, uids, keepSeconds)`: they join. Returns those of whose leave, when the channel was destroyed, nobody has
 * been told yet (`untold`, see `destroy`): that comes first.
 * `split(sets, members, uids)`: of those who are to be restored, who may be, and who may not.
 */
export const FAREWELLS = /* lua */ `
local function beside(members, mark) return (string.gsub(members, '${MEMBERS_MARK}', mark, 1)) end
local function endedOf(sets) return (string.gsub(sets, '${SETS_MARK}$', '${ENDED_MARK}')) end
local function joinedOf(members, destruction) return beside(members, '${JOINED_MARK}' .. destruction .. ':') end
local seconds, microseconds
local function noteGone(members, uids, keepSeconds)
  if not seconds then seconds, microseconds = unpack(redis.call('TIME')) end
  local gone, scored = beside(members, '${GONE_MARK}'), {}
  for _, uid in ipairs(uids) do
    scored[#scored + 1] = seconds
    scored[#scored + 1] = uid
  end
  redis.call('ZADD', gone, unpack(scored))
  -- One time in 16: what is kept for longer does no harm.
  if microseconds % 16 == 0 then redis.call('ZREMRANGEBYSCORE', gone, '-inf', seconds - keepSeconds) end
  redis.call('EXPIRE', gone, keepSeconds)
end
local function noteJoined(sets, members, uids, keepSeconds)
  local gone, untold, ended = beside(members, '${GONE_MARK}'), beside(members, '${UNTOLD_MARK}'), endedOf(sets)
  -- Mostly there is none of them, or the first.
  local found = #uids > 0 and redis.call('EXISTS', gone, untold, ended) or 0
  if found == 0 or (redis.call('ZREM', gone, unpack(uids)) > 0 and found == 1) then return {} end
  local destruction, late = redis.call('GET', ended), {}
  if destruction then
    local joined = joinedOf(members, destruction)
    redis.call('SADD', joined, unpack(uids))
    if redis.call('TTL', joined) < 0 then redis.call('EXPIRE', joined, keepSeconds) end
  end
  if redis.call('EXISTS', untold) == 1 then
    for _, uid in ipairs(uids) do
      if redis.call('SREM', untold, uid) == 1 then late[#late + 1] = uid end
    end
  end
  return late
end
local function split(sets, members, uids)
  local gone, ended = beside(members, '${GONE_MARK}'), endedOf(sets)
  if redis.call('EXISTS', gone, ended) == 0 then return uids, {} end
  local destruction, may, mayNot = redis.call('GET', ended), {}, {}
  local joined = destruction and joinedOf(members, destruction)
  for _, uid in ipairs(uids) do
    local hasJoined = not joined or redis.call('SISMEMBER', joined, uid) == 1
    local into = hasJoined and not redis.call('ZSCORE', gone, uid) and may or mayNot
    into[#into + 1] = uid
  end
  return may, mayNot
end
`;
