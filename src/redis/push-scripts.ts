import { APPEND, MARK_PUSHED, REPEATED } from "../histories/redis/scripts.js";
import { NOW } from "./leases.js";
import { defineScript } from "./script.js";

/**
 * Lua: `pushAll(servers, sets, from, texts, channelsOf)`: sends texts to the live frontends of the type ARGV[1] (percent-encoded) that
 * have members of their channels, one message to each; the inboxes have the prefix ARGV[2]. `sets` are of all the channels, and
 * `channelsOf(i)` gives those of the text `i`, as indices, from 1 on. Returns `<sid> <receivers> <entries>` for each frontend (with spaces
 * between all of it): the sid escaped, and its entry in the set of each channel, `-` if there is none.
 */
const PUSH_ALL = /* lua */ `${NOW}
local function pushAll(servers, sets, from, texts, channelsOf)
  local sids, places, entries, channels = {}, {}, {}, #sets
  for channel = 1, channels do
    local set = redis.call('HGETALL', sets[channel])
    for i = 1, #set, 2 do
      local place = places[set[i]]
      if not place then
        place = #sids + 1
        places[set[i]] = place
        sids[place] = set[i]
        entries[place] = {}
      end
      entries[place][channel] = set[i + 1]
    end
  end
  if #sids == 0 then return '' end

  -- Leases are taken apart without captures: they would cost as much as all the rest.
  local time = now()
  local stype = ' ' .. ARGV[1] .. ' '
  local function isLive(lease)
    local space = string.find(lease, ' ', 1, true)
    local place = string.find(lease, ' ', space + 3, true)
    return string.byte(lease, space + 1) == 49 and string.find(lease, stype, place, true) == place
      and tonumber(string.sub(lease, 1, space)) > time
  end

  -- Of each text, its channels.
  local wanted
  local function isFor(indices, own)
    for _, channel in ipairs(indices) do
      if own[channel] ~= '-' then return true end
    end
    return false
  end
  -- Most frontends get all of the texts, in one that is put together once: Lua reads every byte of each string that it makes.
  local all
  local function textFor(own, hasAll)
    if hasAll then
      all = all or table.concat(texts, '\\n')
      return all
    end
    if not wanted then
      wanted = {}
      for i = 1, #texts do wanted[i] = channelsOf(i) end
    end
    local some = {}
    for i = 1, #texts do
      if isFor(wanted[i], own) then some[#some + 1] = texts[i] end
    end
    return table.concat(some, '\\n')
  end

  local head = '\\n' .. from .. '\\n'
  local leases = redis.call('HMGET', servers, unpack(sids))
  local pushed = {}
  for place, sid in ipairs(sids) do
    if leases[place] and isLive(leases[place]) then
      local own, hasAll = entries[place], true
      for channel = 1, channels do
        if not own[channel] then
          own[channel] = '-'
          hasAll = false
        end
      end
      local line = table.concat(own, ' ')
      pushed[#pushed + 1] = sid
      pushed[#pushed + 1] = redis.call('PUBLISH', ARGV[2] .. sid, line .. head .. textFor(own, hasAll))
      pushed[#pushed + 1] = line
    end
  end
  return table.concat(pushed, ' ')
end
local function indicesIn(text)
  local indices = {}
  for channel in string.gmatch(text, '%d+') do indices[#indices + 1] = channel + 1 end
  return indices
end
`;

/**
 * Sends pushes to the live frontends of a type that have members of their channels: one message to each frontend.
 * KEYS: 1 servers, 2... sets of the channels
 * ARGV: 1 stype (percent-encoded), 2 prefix of inboxes, 3 who asks, 4... pushes: each `<id> <channels> ...`, where the channels
 *       are indices into the sets, from 0 on, with commas between
 * Returns where they went: see {@link PUSH_ALL}.
 */
export const pushScript = defineScript(
  "push",
  /* lua */ `${PUSH_ALL}
local texts = {unpack(ARGV, 4)}
local function channelsOf(i) return indicesIn(string.match(texts[i], '^%-?%d+ (%S+)')) end
return pushAll(KEYS[1], {unpack(KEYS, 2)}, ARGV[3], texts, channelsOf)`,
);

/**
 * The same for pushes that are kept, or done once: those that were not done before are kept and sent.
 * KEYS: 1 servers, then of each channel its set, its history and its messages
 * ARGV: 1 to 3 as above, 4 stype, then of each push: its id, its channels (indices from 0 on, with commas between), for each of these
 *       `<size>:<ttl>` (ms) or `-`, its text, its body, and where it is known that it was done (a key, or nothing: it has none)
 * Returns {where they went, what was appended of each push: see the history's script \`append\`}.
 */
export const recordScript = defineScript(
  "record",
  /* lua */ `${PUSH_ALL}${APPEND}${MARK_PUSHED}
local sets = {}
for i = 2, #KEYS, 3 do sets[#sets + 1] = KEYS[i] end
local answer, texts, channels = {''}, {}, {}
for i = 5, #ARGV, 6 do
  local id, indices, limits, text, body, key = ARGV[i], indicesIn(ARGV[i + 1]), ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5]
  local first = key ~= '' and redis.call('GET', key)
  if first then
    answer[#answer + 1] = '${REPEATED}' .. first
  else
    local positions, marks = {}, {}
    for limit in string.gmatch(limits, '[^,]+') do
      local n = #marks + 1
      local size, ttl = string.match(limit, '(%d+):(%d+)')
      marks[n] = string.format('%d', indices[n] - 1)
      if size then
        local at = 3 * indices[n]
        local position = append(KEYS[at], KEYS[at + 1], size, ttl, ARGV[4], text, body)
        positions[n] = position
        marks[n] = marks[n] .. '@' .. position
      else
        positions[n] = '-'
      end
    end
    answer[#answer + 1] = table.concat(positions, ',')
    if key ~= '' then markPushed(key, answer[#answer], '') end
    texts[#texts + 1] = id .. ' ' .. table.concat(marks, ',') .. ' ' .. text .. '\\n' .. body
    channels[#channels + 1] = indices
  end
end
if #texts > 0 then
  answer[1] = pushAll(KEYS[1], sets, ARGV[3], texts, function(i) return channels[i] end)
end
return answer`,
);
