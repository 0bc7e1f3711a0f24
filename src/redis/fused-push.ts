import type { Bound } from "../bound.js";
import type { RedisTransport } from "../transports/redis/transport.js";
import type { ChannelPush, Cluster, FusedPush, SentPush } from "../types.js";
import { ClusterPush } from "./cluster-push.js";
import type { RedisConnection } from "./connection.js";
import { unescape } from "./keys.js";
import { NOW } from "./leases.js";
import { boundOfWaiting, MAX_NAMES, PushBatches, type SendPushes } from "./push-batches.js";
import { defineScript } from "./script.js";
import { SendQueue } from "./send-queue.js";
import type { Place } from "./sent-push.js";

/**
 * Sends pushes to the live frontends of a type that have members of their channels: one message to each frontend.
 * KEYS: 1 servers, 2... sets of the channels
 * ARGV: 1 stype (percent-encoded), 2 prefix of inboxes, 3 who asks, 4... pushes: each `<id> <channels> ...`, where the channels
 *       are indices into the sets, from 0 on, with commas between
 * Returns `<sid> <receivers> <entries>` for each frontend (with spaces between all of it): the sid escaped, and its entry in the
 * set of each channel, `-` if there is none.
 */
const pushScript = defineScript(
  "push",
  /* lua */ `${NOW}
local sids, places, entries, channels = {}, {}, {}, 0
for channel = 2, #KEYS do
  channels = channels + 1
  local sets = redis.call('HGETALL', KEYS[channel])
  for i = 1, #sets, 2 do
    local place = places[sets[i]]
    if not place then
      place = #sids + 1
      places[sets[i]] = place
      sids[place] = sets[i]
      entries[place] = {}
    end
    entries[place][channels] = sets[i + 1]
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

-- Of each push, its channels.
local wanted
local function channelsOf(push)
  local indices = {}
  for channel in string.gmatch(string.match(push, '^%-?%d+ (%S+)'), '%d+') do indices[#indices + 1] = channel + 1 end
  return indices
end
local function isFor(indices, own)
  for _, channel in ipairs(indices) do
    if own[channel] ~= '-' then return true end
  end
  return false
end
-- Most frontends get all of the pushes, in a text that is put together once: Lua reads every byte of each string that it makes.
local all
local function textFor(own, hasAll)
  if hasAll then
    all = all or table.concat(ARGV, '\\n', 4)
    return all
  end
  if not wanted then
    wanted = {}
    for i = 4, #ARGV do wanted[i] = channelsOf(ARGV[i]) end
  end
  local texts = {}
  for i = 4, #ARGV do
    if isFor(wanted[i], own) then texts[#texts + 1] = ARGV[i] end
  end
  return table.concat(texts, '\\n')
end

local head = '\\n' .. ARGV[3] .. '\\n'
local leases = redis.call('HMGET', KEYS[1], unpack(sids))
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
return table.concat(pushed, ' ')`,
);

/**
 * One push, one round trip to a standalone Redis, whatever the number of frontends and members; the pushes that are called for
 * within a tick, or while others are under way, share it, and each frontend gets them in one message. On a Redis Cluster it is two,
 * which those of one partition share. See {@link FusedPush}.
 */
export class RedisFusedPush implements FusedPush {
  readonly parts: FusedPush["parts"];
  readonly maxNames: number;
  readonly #connection: RedisConnection;
  readonly #transport: RedisTransport;
  readonly #send: SendPushes;
  readonly #batches = new Map<SendQueue, PushBatches>();
  /** Of a cluster: those to channels of several partitions, each alone. */
  readonly #alone = new SendQueue(() => false);
  readonly #waiting: Bound = boundOfWaiting(this);

  constructor(
    connection: RedisConnection,
    parts: Pick<Cluster, "manager" | "registry"> & { transport: RedisTransport },
  ) {
    this.#connection = connection;
    this.#transport = parts.transport;
    this.parts = parts;
    this.maxNames = connection.isClustered ? Infinity : MAX_NAMES;
    const clusterPush = connection.isClustered ? new ClusterPush(connection, parts.transport) : undefined;
    this.#send = clusterPush
      ? (...batch) => clusterPush.send(...batch)
      : (...batch) => sendByScript(connection, parts.transport.id, ...batch);
  }

  push(push: ChannelPush): Promise<SentPush> {
    const { layout } = this.#connection;
    const [first, ...others] = push.names.map((name) => layout.of(name));
    if (others.every((keys) => keys === first)) return this.#batchesIn(this.#connection.queueOf(first!)).push(push);
    // It comes after those to the same partitions that were called for before, and before those that are later.
    for (const keys of [first!, ...others]) this.#connection.queueOf(keys).flush();
    const pushed = this.#batchesIn(this.#alone).push(push);
    this.#alone.flush();
    return pushed;
  }

  #batchesIn(queue: SendQueue): PushBatches {
    let batches = this.#batches.get(queue);
    if (!batches) {
      batches = new PushBatches({ queue, transport: this.#transport, waiting: this.#waiting, send: this.#send });
      this.#batches.set(queue, batches);
    }
    return batches;
  }
}

async function sendByScript(
  connection: RedisConnection,
  from: string,
  ...[stype, names, encode]: Parameters<SendPushes>
): Promise<Place[]> {
  const [keys] = connection.layout.partitions;
  const texts = encode().map(({ text }) => text);
  const answer = await connection.run<string>(
    pushScript,
    [keys!.servers, ...names.map((name) => keys!.sets(name))],
    [encodeURIComponent(stype), keys!.inboxPrefix, from, ...texts],
  );
  return parsePlaces(answer, names.length);
}

function parsePlaces(text: string, channels: number): Place[] {
  const words = text === "" ? [] : text.split(" ");
  const places: Place[] = [];
  for (let index = 0; index < words.length; index += 2 + channels) {
    const entries = words.slice(index + 2, index + 2 + channels);
    places.push({ sid: unescape(words[index]!), receivers: Number(words[index + 1]), entries });
  }
  return places;
}
