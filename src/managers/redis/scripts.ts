import { IS_HELD } from "../../redis/leases.js";
import { defineScript, TELL } from "../../redis/script.js";
import { FAREWELLS } from "./farewells.js";

/*
 * A member set's entry in the hash of its channel is `<epoch>.<counter>.<count>`: its version and how many members it has.
 * Every change of a set is published as JSON: [name, type, version, reason, uids], and a sixth element, true, where it begins
 * or ends the channel; a message has one in each line. The subscriber knows the sid by the pub/sub channel. Of a `leave` of
 * some who are no members, and of some who were to be restored and may not be, [name, "absent", null, reason, uids] tells.
 */

/**
 * Lua: `changeLine(head, type, version, reason, uids, isEdge)`: what is published of a change; `head` is the channel's name as
 * JSON, `isEdge` whether the channel begins or ends with it.
 */
const CHANGE_LINE = /* lua */ `
local function changeLine(head, kind, version, reason, uids, isEdge)
  local list = #uids == 0 and '[]' or cjson.encode(uids)
  return '[' .. head .. ',"' .. kind .. '",' .. version .. ',"' .. reason .. '",' .. list .. (isEdge and ',true]' or ']')
end
`;

/** Lua: `publish(prefix, sid, head, type, version, reason, uids, isEdge)`, with the prefix of the pub/sub channels of changes. */
const PUBLISH = /* lua */ `${TELL}${CHANGE_LINE}
local function publish(prefix, sid, ...) tell(prefix, sid, changeLine(...)) end
`;

/** Lua: `publish(sid, ...)`; the changes at each sid go in one message, with `publishAll(prefix)`. */
const PUBLISH_TOGETHER = /* lua */ `${TELL}${CHANGE_LINE}
local messages = {}
local function publish(sid, ...)
  local lines = messages[sid]
  if not lines then
    lines = {}
    messages[sid] = lines
    messages[#messages + 1] = sid
  end
  lines[#lines + 1] = changeLine(...)
end
local function publishAll(prefix)
  for _, sid in ipairs(messages) do tell(prefix, sid, table.concat(messages[sid], string.char(10))) end
end
`;

/** Lua: `readEntry(sets, sid)`: the epoch and the counter of a set's version; nothing if the set has no entry. */
const READ_ENTRY = /* lua */ `
local function readEntry(sets, sid)
  local entry = redis.call('HGET', sets, sid)
  if not entry then return end
  local epoch, counter = string.match(entry, '^([^.]*)%.(%d+)%.')
  return epoch, tonumber(counter)
end
local function versionOf(epoch, counter) return string.format('%s.%d', epoch, counter) end
`;

/** Lua: `forget(channels, sids, sid, name)`: takes a channel out of its sid's list, and with the last one the sid out of `sids`. */
const FORGET = /* lua */ `
local function forget(channels, sids, sid, name)
  redis.call('SREM', channels, name)
  if redis.call('EXISTS', channels) == 0 then redis.call('SREM', sids, sid) end
end
`;

/**
 * Changes member sets: `join` makes uids members, and raises the version even if they were; `leave` takes uids out, if an
 * expected version is given only while the set is at that. What joins a set that is empty, also in between, begins a new epoch.
 * Of those who are `restored`, whoever was told to leave meanwhile is left out, and so is who has not joined since the channel was
 * destroyed. A set that fails does not keep the others from it.
 * KEYS: 1 sids, 2... for each set three: sets of the channel, members, channels at the sid
 * ARGV: 1 prefix of pub/sub channels, 2 for how long it is kept who is not to come back (seconds),
 *       3... sets as JSON: [sid (escaped), name, changes...], in the order of the changes; each is
 *       [type, reason, uids, new epoch, expected version or false, of each who is restored how long ago its frontend heard that it
 *       had left (ms, -1: it has not)]
 * Returns for each change, set by set, a digit for each uid, 1 if that changed anything for it, else 0; nothing if the set is at
 * another version; or `!` and why it failed.
 */
export const change = defineScript(
  "change",
  /* lua */ `${PUBLISH_TOGETHER}${READ_ENTRY}${FORGET}${FAREWELLS}
local function apply(command, members, uids)
  -- Mostly there is one: tables would cost more than the command.
  if #uids == 1 then
    if redis.call(command, members, uids[1]) == 1 then return '1', uids end
    return '0', {}
  end
  local digits, changed = {}, {}
  for place, uid in ipairs(uids) do
    digits[place] = redis.call(command, members, uid)
    if digits[place] == 1 then changed[#changed + 1] = uid end
  end
  return table.concat(digits), changed
end

local function absentOf(uids, digits)
  local absent = {}
  for place, uid in ipairs(uids) do
    if string.byte(digits, place) == 48 then absent[#absent + 1] = uid end
  end
  return absent
end

local function changeSet(sets, members, channels, set)
  local sid, name = set[1], set[2]
  local epoch, counter = readEntry(sets, sid)
  local hadEntry, count = epoch ~= nil, redis.call('SCARD', members)
  local head, version, results = cjson.encode(name), nil, {}
  for i = 3, #set do
    local kind, reason, uids, newEpoch, expected, leftMsAgo = unpack(set[i])
    if expected and not (epoch and versionOf(epoch, counter) == expected) then
      results[#results + 1] = ''
    else
      local isJoin, absent = kind == 'join', {}
      if reason == 'restored' then uids, absent = split(sets, sid, uids, leftMsAgo, ARGV[2]) end
      -- The first write: a Redis whose memory is full refuses joins by it.
      local digits, changed = apply(isJoin and 'SADD' or 'SREM', members, uids)
      results[#results + 1] = digits
      if reason == 'join' then
        local late = noteJoined(sets, members, sid, uids)
        if #late > 0 then publish(sid, head, 'leave', 'null', 'destroyed', late) end
      end
      if (isJoin and #uids > 0) or #changed > 0 then
        local isBegun = not epoch
        if isBegun then epoch, counter = newEpoch, 0 end
        counter = counter + 1
        version = versionOf(epoch, counter)
        count = count + (isJoin and #changed or -#changed)
        -- The set's own entry, if it had one, is still there: it is written last.
        local isEdge = (isBegun or count == 0) and redis.call('HLEN', sets) == (hadEntry and 1 or 0)
        publish(sid, head, kind, '"' .. version .. '"', reason, changed, isEdge)
        if count == 0 then epoch = nil end
      end
      if reason == 'leave' and #changed < #uids then absent = absentOf(uids, digits) end
      if #absent > 0 then publish(sid, head, 'absent', 'null', reason, absent) end
      if reason == 'leave' then noteGone(sets, sid, uids, ARGV[2]) end
    end
  end
  if version and count == 0 then
    redis.call('HDEL', sets, sid)
    forget(channels, KEYS[1], sid, name)
  elseif version then
    redis.call('HSET', sets, sid, string.format('%s.%d', version, count))
    if not hadEntry then
      redis.call('SADD', channels, name)
      redis.call('SADD', KEYS[1], sid)
    end
  end
  return results
end

local keys, decoded = {}, {}
for key = 2, #KEYS do keys[key - 1] = KEYS[key] end
-- All of them first: what cannot be read fails before anything is changed.
for i = 3, #ARGV do decoded[i] = cjson.decode(ARGV[i]) end
local all = {}
for i = 3, #ARGV do
  local set, at = decoded[i], 3 * (i - 3)
  local isDone, results = pcall(changeSet, keys[at + 1], keys[at + 2], keys[at + 3], set)
  for change = 1, #set - 2 do
    all[#all + 1] = isDone and results[change] or '!' .. (type(results) == 'table' and results.err or tostring(results))
  end
end
publishAll(ARGV[1])
return all`,
  { findsKeys: true },
);

/**
 * Takes some members of a set out, whoever they are, unless the frontend is alive.
 * KEYS: 1 sets of the channel, 2 members, 3 channels at the sid, 4 sids, 5 servers
 * ARGV: 1 sid (escaped), 2 name, 3 new epoch, 4 prefix of pub/sub channels, 5 head, 6 reason, 7 limit,
 *       8 incarnation (percent-encoded)
 * Returns how many left, or -1 if the frontend is alive or another incarnation has the sid.
 */
export const evict = defineScript(
  "evict",
  /* lua */ `${PUBLISH}${READ_ENTRY}${FORGET}${IS_HELD}
if isHeld(KEYS[5], ARGV[1], ARGV[8]) then return -1 end
local gone = redis.call('SPOP', KEYS[2], ARGV[7])
local left = #gone > 0 and redis.call('SCARD', KEYS[2]) or 0
local epoch, counter = readEntry(KEYS[1], ARGV[1])
if left == 0 then
  redis.call('HDEL', KEYS[1], ARGV[1])
  forget(KEYS[3], KEYS[4], ARGV[1], ARGV[2])
end
if #gone > 0 then
  local version = epoch and versionOf(epoch, counter + 1) or versionOf(ARGV[3], 1)
  if left > 0 then redis.call('HSET', KEYS[1], ARGV[1], string.format('%s.%d', version, left)) end
  local isEdge = left == 0 and redis.call('EXISTS', KEYS[1]) == 0
  publish(ARGV[4], ARGV[1], ARGV[5], 'leave', '"' .. version .. '"', ARGV[6], gone, isEdge)
end
return #gone`,
);

/**
 * Ends all member sets of a channel, and tells who was in those that are small enough; who was in the others is still to be told.
 * KEYS: 1 sets of the channel, 2 sids
 * ARGV: 1 name, 2 head, 3 prefix of members, 4 prefix of who is still to be told, 5 prefix of channels at a sid,
 *       6 prefix of pub/sub channels, 7 for how long it is kept who is still to be told, and that nobody is to come back (seconds),
 *       8 how many members are told of at once
 * Returns {how many members there were, the sids (escaped) where some are still to be told...}.
 */
export const destroy = defineScript(
  "destroy",
  /* lua */ `${PUBLISH}${FORGET}${FAREWELLS}
local sids, room = redis.call('HKEYS', KEYS[1]), tonumber(ARGV[8])
-- This first: a Redis whose memory is full refuses what needs some only as the first write.
redis.call('DEL', KEYS[1])
noteDestroyed(KEYS[1], ARGV[7])
for i, sid in ipairs(sids) do
  forget(ARGV[5] .. sid, KEYS[2], sid, ARGV[1])
  publish(ARGV[6], sid, ARGV[2], 'clear', 'null', 'destroyed', {}, i == #sids)
end
local result = {0}
for _, sid in ipairs(sids) do
  local members, untold = ARGV[3] .. sid, ARGV[4] .. sid
  local count = redis.call('SCARD', members)
  result[1] = result[1] + count
  if count > room then
    -- Of an earlier destruction some may be left; nobody is in both, as who joins is told of.
    if redis.call('RENAMENX', members, untold) == 0 then
      redis.call('SUNIONSTORE', untold, untold, members)
      redis.call('DEL', members)
    end
    redis.call('EXPIRE', untold, ARGV[7])
    result[#result + 1] = sid
  elseif count > 0 then
    room = room - count
    publish(ARGV[6], sid, ARGV[2], 'leave', 'null', 'destroyed', redis.call('SMEMBERS', members))
    redis.call('DEL', members)
  end
end
return result`,
  { findsKeys: true },
);

/**
 * Tells of some of the former members of a destroyed channel that they have left.
 * KEYS: 1 who is still to be told
 * ARGV: 1 prefix of pub/sub channels, 2 sid (escaped), 3 head, 4 limit
 * Returns how many.
 */
export const drain = defineScript(
  "drain",
  /* lua */ `${PUBLISH}
local gone = redis.call('SPOP', KEYS[1], ARGV[4])
if #gone > 0 then publish(ARGV[1], ARGV[2], ARGV[3], 'leave', 'null', 'destroyed', gone) end
return #gone`,
  // It publishes: where the slot moves, only its owner is heard.
  { findsKeys: true },
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
  { findsKeys: true },
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
  { findsKeys: true },
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
