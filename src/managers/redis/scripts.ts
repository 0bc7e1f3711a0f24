import { defineScript } from "../../redis/script.js";

/*
 * A member set's entry in the hash of its channel is `<epoch>.<counter>.<count>`: its version and how many members it has.
 * Every change of a set is published as JSON: [name, type, version, reason, uids]; a message has one in each line. The
 * subscriber knows the sid by the pub/sub channel.
 */

/** Lua: `changeLine(head, type, version, reason, uids)`: what is published of a change; `head` is the channel's name as JSON. */
const CHANGE_LINE = /* lua */ `
local function changeLine(head, kind, version, reason, uids)
  local list = #uids == 0 and '[]' or cjson.encode(uids)
  return '[' .. head .. ',"' .. kind .. '",' .. version .. ',"' .. reason .. '",' .. list .. ']'
end
`;

/** Lua: `publish(pubsub, head, type, version, reason, uids)`. */
const PUBLISH = /* lua */ `${CHANGE_LINE}
local function publish(pubsub, ...) redis.call('PUBLISH', pubsub, changeLine(...)) end
`;

/** Lua: the same, but the changes at each sid go in one message, with `publishAll()`. */
const PUBLISH_TOGETHER = /* lua */ `${CHANGE_LINE}
local messages = {}
local function publish(pubsub, ...)
  local lines = messages[pubsub]
  if not lines then
    lines = {}
    messages[pubsub] = lines
    messages[#messages + 1] = pubsub
  end
  lines[#lines + 1] = changeLine(...)
end
local function publishAll()
  for _, pubsub in ipairs(messages) do redis.call('PUBLISH', pubsub, table.concat(messages[pubsub], string.char(10))) end
end
`;

/** Lua: `nextVersion(sets, sid, epoch)`: the version after the one that is there, or the first of `epoch`. */
const NEXT_VERSION = /* lua */ `
local function nextVersion(sets, sid, epoch)
  local entry = redis.call('HGET', sets, sid)
  if not entry then return epoch .. '.1', true end
  local old, counter = string.match(entry, '^([^.]*)%.(%d+)%.')
  return old .. '.' .. string.format('%.0f', tonumber(counter) + 1), false
end
`;

/** Lua: `left(...)`: writes down that members have left a set, and tells it. */
const LEFT = /* lua */ `
local function left(sets, members, channels, sids, sid, name, epoch, pubsub, head, reason, uids)
  local version = nextVersion(sets, sid, epoch)
  local count = redis.call('SCARD', members)
  if count > 0 then
    redis.call('HSET', sets, sid, version .. '.' .. count)
  else
    redis.call('HDEL', sets, sid)
    redis.call('SREM', channels, name)
    if redis.call('EXISTS', channels) == 0 then redis.call('SREM', sids, sid) end
  end
  publish(pubsub, head, 'leave', '"' .. version .. '"', reason, uids)
end
`;

/** Lua: `isHeld(servers, sid, incarnation)`: whether evicting that incarnation's members would hurt a live frontend. */
const IS_HELD = /* lua */ `
local function isHeld(servers, sid, incarnation)
  local lease = redis.call('HGET', servers, sid)
  if not lease then return false end
  local deadline, live, holder = string.match(lease, '^(%d+) (%d) (%S+)')
  if holder ~= incarnation then return true end
  local time = redis.call('TIME')
  return live == '1' and tonumber(deadline) > time[1] * 1000 + math.floor(time[2] / 1000)
end
`;

/**
 * Changes member sets, one after the other: `join` makes uids members, and raises the version even if they were; `leave` takes
 * uids out, if an expected version is given only while the set is at that. One that fails does not keep the others from it.
 * KEYS: 1 sids, 2... for each change three: sets of the channel, members, channels at the sid
 * ARGV: 1 prefix of pub/sub channels, 2... changes as JSON: [type, sid (escaped), name, new epoch, reason, expected version or
 *       false, uids]
 * Returns for each change a digit for each uid, 1 if that changed anything for it, else 0; nothing if the set is at another
 * version; or `!` and why it failed.
 */
export const change = defineScript(
  "change",
  /* lua */ `${PUBLISH_TOGETHER}${NEXT_VERSION}${LEFT}
local function join(sets, members, channels, sids, sid, name, epoch, reason, uids)
  local joined, digits = {}, {}
  for place, uid in ipairs(uids) do
    digits[place] = redis.call('SADD', members, uid)
    if digits[place] == 1 then joined[#joined + 1] = uid end
  end
  local version, isFirst = nextVersion(sets, sid, epoch)
  if isFirst then
    redis.call('SADD', channels, name)
    redis.call('SADD', sids, sid)
  end
  redis.call('HSET', sets, sid, version .. '.' .. redis.call('SCARD', members))
  publish(ARGV[1] .. sid, cjson.encode(name), 'join', '"' .. version .. '"', reason, joined)
  return table.concat(digits)
end

local function leave(sets, members, channels, sids, sid, name, epoch, reason, expected, uids)
  if expected then
    local entry = redis.call('HGET', sets, sid)
    if not entry or string.match(entry, '^(.*)%.%d+$') ~= expected then return '' end
  end
  local gone, digits = {}, {}
  for place, uid in ipairs(uids) do
    digits[place] = redis.call('SREM', members, uid)
    if digits[place] == 1 then gone[#gone + 1] = uid end
  end
  if #gone > 0 then
    left(sets, members, channels, sids, sid, name, epoch, ARGV[1] .. sid, cjson.encode(name), reason, gone)
  end
  return table.concat(digits)
end

local keys = {}
for i = 2, #KEYS do keys[i - 1] = KEYS[i] end
local function apply(json, at)
  local kind, sid, name, epoch, reason, expected, uids = unpack(cjson.decode(json))
  if kind == 'join' then return join(keys[at], keys[at + 1], keys[at + 2], KEYS[1], sid, name, epoch, reason, uids) end
  return leave(keys[at], keys[at + 1], keys[at + 2], KEYS[1], sid, name, epoch, reason, expected, uids)
end
local results = {}
for i = 2, #ARGV do
  local isDone, result = pcall(apply, ARGV[i], 3 * #results + 1)
  results[#results + 1] = isDone and result or '!' .. (type(result) == 'table' and result.err or tostring(result))
end
publishAll()
return results`,
);

/**
 * Takes some members of a set out, whoever they are, unless the frontend is alive.
 * KEYS: 1 sets of the channel, 2 members, 3 channels at the sid, 4 sids, 5 servers
 * ARGV: 1 sid (escaped), 2 name, 3 new epoch, 4 pub/sub channel, 5 head, 6 reason, 7 limit,
 *       8 incarnation (percent-encoded)
 * Returns how many left, or -1 if the frontend is alive or another incarnation has the sid.
 */
export const evict = defineScript(
  "evict",
  /* lua */ `${PUBLISH}${NEXT_VERSION}${LEFT}${IS_HELD}
if isHeld(KEYS[5], ARGV[1], ARGV[8]) then return -1 end
local gone = redis.call('SPOP', KEYS[2], ARGV[7])
if #gone > 0 then
  left(KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], gone)
else
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('SREM', KEYS[3], ARGV[2])
  if redis.call('EXISTS', KEYS[3]) == 0 then redis.call('SREM', KEYS[4], ARGV[1]) end
end
return #gone`,
);

/**
 * Puts all member sets of a channel aside, so that it has no members from now on.
 * KEYS: 1 sets of the channel, 2 sids
 * ARGV: 1 name, 2 head, 3 prefix of members, 4 prefix of what is put aside, 5 prefix of channels at a sid,
 *       6 prefix of pub/sub channels, 7 for how long what is put aside lasts (seconds)
 * Returns the sids (escaped) whose sets are put aside.
 */
export const destroy = defineScript(
  "destroy",
  /* lua */ `${PUBLISH}
local sids = redis.call('HKEYS', KEYS[1])
for _, sid in ipairs(sids) do
  if redis.call('EXISTS', ARGV[3] .. sid) == 1 then
    redis.call('RENAME', ARGV[3] .. sid, ARGV[4] .. sid)
    redis.call('EXPIRE', ARGV[4] .. sid, ARGV[7])
  end
  redis.call('SREM', ARGV[5] .. sid, ARGV[1])
  if redis.call('EXISTS', ARGV[5] .. sid) == 0 then redis.call('SREM', KEYS[2], sid) end
  publish(ARGV[6] .. sid, ARGV[2], 'clear', 'null', 'destroyed', {})
end
redis.call('DEL', KEYS[1])
return sids`,
);

/**
 * Tells of some of the members that were put aside that they have left.
 * KEYS: 1 members put aside
 * ARGV: 1 pub/sub channel, 2 head, 3 limit
 * Returns how many.
 */
export const drain = defineScript(
  "drain",
  /* lua */ `${PUBLISH}
local gone = redis.call('SPOP', KEYS[1], ARGV[3])
if #gone > 0 then publish(ARGV[1], ARGV[2], 'leave', 'null', 'destroyed', gone) end
return #gone`,
);

/**
 * Finds where a user is a member.
 * KEYS: 1 sets of the channel
 * ARGV: 1 uid, 2 prefix of members
 * Returns sids (escaped).
 */
export const find = defineScript(
  "find",
  /* lua */ `
local found = {}
for _, sid in ipairs(redis.call('HKEYS', KEYS[1])) do
  if redis.call('SISMEMBER', ARGV[2] .. sid, ARGV[1]) == 1 then found[#found + 1] = sid end
end
return found`,
);

/**
 * Reads the versions of a channel's sets, and the members of those that are wanted and have changed.
 * KEYS: 1 sets of the channel
 * ARGV: 1 prefix of members, 2 limit of members in all, 3... wanted: sid (escaped), version of the copy or ''
 * Returns for each set: sid (escaped), entry, or {entry, uid...} in the place of the entry.
 */
export const readChanged = defineScript(
  "readChanged",
  /* lua */ `
local sets = redis.call('HGETALL', KEYS[1])
local copies, room = {}, tonumber(ARGV[2])
for i = 3, #ARGV, 2 do copies[ARGV[i]] = ARGV[i + 1] end
for i = 1, #sets, 2 do
  local copy = copies[sets[i]]
  if copy then
    local version, count = string.match(sets[i + 1], '^(.*)%.(%d+)$')
    count = tonumber(count)
    if version ~= copy and count <= room then
      room = room - count
      local found = redis.call('SMEMBERS', ARGV[1] .. sets[i])
      table.insert(found, 1, sets[i + 1])
      sets[i + 1] = found
    end
  end
end
return sets`,
);

/**
 * Reads a set and its version, if it is small enough to be read at once.
 * KEYS: 1 sets of the channel, 2 members
 * ARGV: 1 sid (escaped), 2 limit
 * Returns {entry or false, uids or false if there are more than the limit}.
 */
export const read = defineScript(
  "read",
  /* lua */ `
local entry = redis.call('HGET', KEYS[1], ARGV[1])
if redis.call('SCARD', KEYS[2]) > tonumber(ARGV[2]) then return {entry, false} end
return {entry, redis.call('SMEMBERS', KEYS[2])}`,
);

/**
 * Notes that a user has sessions at an incarnation of a frontend.
 * KEYS: 1 user, 2 users at the sid
 * ARGV: 1 sid (escaped), 2 incarnation (percent-encoded), 3 uid
 */
export const connect = defineScript(
  "connect",
  /* lua */ `
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('SADD', KEYS[2], ARGV[3])`,
);

/**
 * Notes that a user has no session any more at an incarnation of a frontend.
 * KEYS: 1 user, 2 users at the sid
 * ARGV: 1 sid (escaped), 2 incarnation (percent-encoded), 3 uid
 */
export const disconnect = defineScript(
  "disconnect",
  /* lua */ `
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('SREM', KEYS[2], ARGV[3])`,
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
local holder = nil
if isHeld(KEYS[2], ARGV[1], ARGV[2]) then
  holder = string.match(redis.call('HGET', KEYS[2], ARGV[1]), '^%d+ %d (%S+)')
end
for i = 3, #KEYS do
  if redis.call('HGET', KEYS[i], ARGV[1]) ~= holder or not holder then
    redis.call('HDEL', KEYS[i], ARGV[1])
    redis.call('SREM', KEYS[1], ARGV[i])
  end
end`,
);
