import { defineScript } from "../../redis/script.js";
import type { HistoryLimits } from "../../types.js";
import { EPOCH_TTLS, IDEMPOTENCY_MS, MAX_READ_BYTES } from "../../history-limits.js";

/*
 * A position is `<epoch>.<offset>`; positions of several channels have commas between. An epoch is
 * of hexadecimal digits. It is the time at which it began and the run of the server: after a restart, and after a failover, some of
 * what was there may be lost, so that another one begins, in which the offsets go on.
 */

/** About how long the list of former epochs gets, for 10 of them. */
const MAX_FORMER_BYTES = 300;

/**
 * Lua: `findPosition(history, messages, ttl)`: epoch and offset of a history. Where there is none, it begins one with a `ttl` (ms), or
 * returns nothing without.
 */
const FIND_POSITION = /* lua */ `
local run
local function findPosition(history, messages, ttl)
  run = run or string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
  local epoch, offset, begunIn = unpack(redis.call('HMGET', history, 'e', 'o', 'r'))
  if epoch and begunIn == run then return epoch, tonumber(offset) end
  if not epoch then
    -- What is left of one that was evicted has offsets of its own.
    redis.call('UNLINK', messages)
    if not ttl then return end
    offset = 0
  end
  if epoch then
    -- The last ones, of which somebody may have a position.
    local former = string.format('%s.%d', epoch, offset)
    for position in string.gmatch(redis.call('HGET', history, 'f') or '', '[^,]+') do
      former = former .. ',' .. position
      if #former > ${MAX_FORMER_BYTES} then break end
    end
    redis.call('HSET', history, 'f', former)
  end
  local time = redis.call('TIME')
  epoch = string.format('%x%05x%s', time[1], time[2], string.sub(run, 1, 4))
  redis.call('HSET', history, 'e', epoch, 'o', offset, 'r', run)
  if ttl then redis.call('PEXPIRE', history, ttl * ${EPOCH_TTLS}) end
  return epoch, tonumber(offset)
end
local function positionText(epoch, offset) return string.format('%s.%d', epoch, offset) end
`;

/**
 * Lua: `append(history, messages, size, ttl, stype, text, body)`: keeps a message. Returns its position. Those of one script follow each
 * other by a microsecond: the clock stands still meanwhile.
 */
export const APPEND = /* lua */ `${FIND_POSITION}
local microseconds
local function append(history, messages, size, ttl, stype, text, body)
  local epoch, last = findPosition(history, messages, ttl)
  local offset = last + 1
  if microseconds then microseconds = microseconds + 1
  else
    local time = redis.call('TIME')
    microseconds = time[1] * 1000000 + time[2]
  end
  local at = string.format('%d', microseconds)
  redis.call('XADD', messages, 'MAXLEN', size, offset .. '-0', 's', stype, 't', text, 'b', body, 'a', at)
  redis.call('HSET', history, 'o', offset)
  redis.call('PEXPIRE', messages, ttl)
  redis.call('PEXPIRE', history, ttl * ${EPOCH_TTLS})
  return positionText(epoch, offset)
end
`;

/**
 * Lua: `markPushed(key, positions, id)`: remembers that a push was done, in a line of its positions and the id that it has; what becomes
 * of it comes behind.
 */
export const MARK_PUSHED = /* lua */ `
local function markPushed(key, positions, id)
  redis.call('SET', key, positions .. ' ' .. id .. '\\n', 'PX', ${IDEMPOTENCY_MS})
end
`;

/** What an answer begins with that is about an earlier push with the same key. */
export const REPEATED = "!";
/** And one that is an error. */
export const FAILED = "?";

/** How much a channel keeps, as scripts take it. */
export function limitText(limits: HistoryLimits | undefined): string {
  return limits ? `${limits.size}:${limits.ttlMs}` : "-";
}

/**
 * Keeps messages for channels of one partition.
 * KEYS: of each message: what is known of the push with its idempotency key (nothing without), then history and messages of each of its
 *       channels that keeps it
 * ARGV: of each message: whether it has such a key (1 or 0), its id, stype, text, body, and for each of its channels `<size>:<ttl>` (ms),
 *       or `-`: it keeps nothing; with commas between
 * Returns for each message its positions, or, after the sign {@link REPEATED}, what is known of the push that was the first with its key,
 * or, after the sign {@link FAILED}, why it is not kept in all of its channels.
 */
export const appendMessages = defineScript(
  "append",
  /* lua */ `${APPEND}${MARK_PUSHED}
local function appendOne(i, at)
  local hasMark, id, stype, text, body = ARGV[i] == '1', ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local mark = KEYS[at]
  local first = hasMark and redis.call('GET', mark)
  if first then return '${REPEATED}' .. first end
  local positions = {}
  for limits in string.gmatch(ARGV[i + 5], '[^,]+') do
    local size, ttl = string.match(limits, '(%d+):(%d+)')
    if size then
      positions[#positions + 1] = append(KEYS[at + 1], KEYS[at + 2], size, ttl, stype, text, body)
      at = at + 2
    else
      positions[#positions + 1] = '-'
    end
  end
  local answer = table.concat(positions, ',')
  if hasMark then markPushed(mark, answer, id) end
  return answer
end
local answers, at = {}, 1
for i = 1, #ARGV, 6 do
  -- What goes wrong with one, as its key is another application's, is none of the others' business.
  local isDone, answer = pcall(appendOne, i, at)
  if not isDone then answer = '${FAILED}' .. (type(answer) == 'table' and answer.err or tostring(answer)) end
  answers[#answers + 1] = answer
  local _, kept = string.gsub(ARGV[i + 5], ':', '')
  at = at + 1 + 2 * kept
end
return answers`,
);

/**
 * Says what has become of a push with an idempotency key.
 * KEYS: 1 what is known of it
 * ARGV: 1 its outcome; none: it is to be done again
 */
export const settlePush = defineScript(
  "settlePush",
  /* lua */ `
local first = redis.call('GET', KEYS[1])
if not first then return end
if not ARGV[1] then
  redis.call('DEL', KEYS[1])
  return
end
local positions = string.match(first, '^[^\\n]*')
redis.call('SET', KEYS[1], positions .. '\\n' .. ARGV[1], 'KEEPTTL')`,
);

/** How many entries are looked at together: nobody knows how large they are, and many large ones take Redis very long. */
const STEP = 2;

/**
 * Reads messages.
 * KEYS: 1 history, 2 messages
 * ARGV: 1 the offset after which they are, 2 the last one or '+', 3 how many, 4 whether the newest come first (1 or 0)
 * Returns {position, where former epochs ended, offset, stype, text, body, when (µs), offset, ...}; nothing where there is no epoch.
 */
export const readMessages = defineScript(
  "readMessages",
  /* lua */ `${FIND_POSITION}
local epoch, last = findPosition(KEYS[1], KEYS[2])
if not epoch then return {} end
local found = {positionText(epoch, last), redis.call('HGET', KEYS[1], 'f') or ''}
local from, to, left, isReverse = tonumber(ARGV[1]) + 1, ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'
local bytes = 0
while left > 0 and bytes < ${MAX_READ_BYTES} do
  local count = math.min(left, ${STEP})
  local entries
  if isReverse then entries = redis.call('XREVRANGE', KEYS[2], to, from, 'COUNT', count)
  else entries = redis.call('XRANGE', KEYS[2], from, to, 'COUNT', count) end
  for _, entry in ipairs(entries) do
    if bytes >= ${MAX_READ_BYTES} then return found end
    local offset, fields = tonumber(string.match(entry[1], '^%d+')), entry[2]
    found[#found + 1] = offset
    found[#found + 1] = fields[2]
    found[#found + 1] = fields[4]
    found[#found + 1] = fields[6]
    found[#found + 1] = fields[8]
    bytes = bytes + #fields[4] + #fields[6]
    if isReverse then to = offset - 1 else from = offset + 1 end
  end
  if #entries < count then return found end
  left = left - count
end
return found`,
);

/**
 * Says where histories end.
 * KEYS: history and messages of each channel
 * ARGV: of each channel the ttl (ms) with which its history begins if there is none; 0: it does not
 * Returns a position for each, '' where there is none.
 */
export const findPositions = defineScript(
  "findPositions",
  /* lua */ `${FIND_POSITION}
local positions = {}
for i = 1, #KEYS, 2 do
  local ttl = tonumber(ARGV[(i + 1) / 2])
  local epoch, offset = findPosition(KEYS[i], KEYS[i + 1], ttl > 0 and ttl)
  positions[#positions + 1] = epoch and positionText(epoch, offset) or ''
end
return positions`,
);

/**
 * Forgets a history: in one step, so that nothing is lost of one that begins then.
 * KEYS: 1 history, 2 messages
 * ARGV: none
 */
export const removeHistory = defineScript("removeHistory", /* lua */ `redis.call('UNLINK', KEYS[1], KEYS[2])`);
