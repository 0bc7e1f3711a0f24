import { Bound } from "../bound.js";
import { unreachable } from "../errors.js";
import type { Exchange } from "../transports/redis/exchange.js";
import type { RedisTransport } from "../transports/redis/transport.js";
import { encodeFusedPush, versionOf, withoutAnswer } from "../transports/redis/wire.js";
import type { ChannelPush, Cluster, FrontendRequest, FusedPush, PushedFrontend, SentPush } from "../types.js";
import type { RedisConnection } from "./connection.js";
import { unescape } from "./keys.js";
import { NOW } from "./leases.js";
import { defineScript } from "./script.js";

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
 * How many pushes, how many channels in all of them, and how many characters of their bodies, go into one script call: keeps it
 * below a few milliseconds. So does the limit of channels times frontends, as far as the last calls have told how many those are.
 */
const MAX_BATCH = 100;
const MAX_NAMES = 100;
const MAX_BATCH_LENGTH = 262_144;
const MAX_ENTRIES = 1000;
/**
 * How much may wait for Redis, in characters: of each push its body, and about what it takes besides. A push that is given up at its
 * deadline still waits with those that it went with.
 */
const MAX_WAITING_LENGTH = 128 * 1024 * 1024;
const OVERHEAD = 500;

/** A push that is to be sent. */
interface QueuedPush {
  id: number;
  push: ChannelPush;
  exchange: Exchange;
  resolve: (sent: SentPush) => void;
  reject: (error: unknown) => void;
}

/** Pushes to one type of frontends that share a script call. */
interface Batch {
  stype: string;
  send: () => Promise<void>;
  pushes: QueuedPush[];
  names: Set<string>;
  length: number;
}

/** A frontend that a message was sent to. */
interface Place {
  sid: string;
  receivers: number;
  /** Its entries in the sets, in the order of those; `-`: there is none. */
  entries: readonly string[];
  /** How many members the channels have there; undefined: none. */
  counts: readonly (number | undefined)[];
}

/**
 * One push, one round trip to a standalone Redis, whatever the number of frontends and members; the pushes that are called for
 * within a tick, or while others are under way, share it, and each frontend gets them in one message. See {@link FusedPush}.
 */
export class RedisFusedPush implements FusedPush {
  readonly parts: FusedPush["parts"];
  readonly maxNames = MAX_NAMES;
  readonly #connection: RedisConnection;
  readonly #transport: RedisTransport;
  #batch: Batch | undefined;
  readonly #waiting = new Bound({
    source: this,
    queue: "redis",
    limit: MAX_WAITING_LENGTH,
    what: "pushes that wait for Redis, in characters",
  });
  /** How many a message goes to: the most of late, since some channels are at few. */
  #frontends = 1;

  constructor(
    connection: RedisConnection,
    parts: Pick<Cluster, "manager" | "registry"> & { transport: RedisTransport },
  ) {
    this.#connection = connection;
    this.#transport = parts.transport;
    this.parts = parts;
  }

  push(push: ChannelPush): Promise<SentPush> {
    return new Promise((resolve, reject) => {
      this.#waiting.check(push.body.length + OVERHEAD);
      const { id, exchange } = this.#transport.openExchange(push.timeoutMs, reject);
      this.#enqueue({ id, push, exchange, resolve, reject });
    });
  }

  #enqueue(queued: QueuedPush): void {
    const { stype, names, body } = queued.push;
    let batch = this.#batch;
    if (batch?.stype !== stype || !this.#connection.isLast(batch.send) || !this.#hasRoom(batch, names)) {
      batch = this.#batch = this.#openBatch(stype);
    }
    batch.pushes.push(queued);
    for (const name of names) batch.names.add(name);
    batch.length += body.length;
    this.#waiting.add(body.length + OVERHEAD);
    if (batch.pushes.length >= MAX_BATCH || batch.length >= MAX_BATCH_LENGTH) this.#connection.flush();
  }

  #hasRoom(batch: Batch, names: readonly string[]): boolean {
    const more = names.filter((name) => !batch.names.has(name)).length;
    return more === 0 || batch.names.size + more <= Math.min(MAX_NAMES, MAX_ENTRIES / this.#frontends);
  }

  #openBatch(stype: string): Batch {
    const batch: Batch = { stype, send: () => this.#sendBatch(batch), pushes: [], names: new Set(), length: 0 };
    this.#connection.defer(batch.send);
    return batch;
  }

  /** Resolves when Redis has answered. */
  async #sendBatch(batch: Batch): Promise<void> {
    // What has waited too long has failed: nothing of it is sent.
    const pushes = batch.pushes.filter(({ exchange }) => !exchange.isOver);
    try {
      if (pushes.length === 0) return;
      const indices = new Map<string, number>();
      const channelsOf = pushes.map(({ push }) => push.names.map((name) => indexOf(indices, name)));
      const texts = pushes.map(({ id, push }, index) =>
        encodeFusedPush(push.ack ? id : withoutAnswer(id), channelsOf[index]!, push),
      );
      const places = await this.#send(batch.stype, [...indices.keys()], texts);
      for (const [index, { push, exchange, resolve }] of pushes.entries()) {
        resolve(this.#sentTo(places, channelsOf[index]!, push, exchange));
      }
    } catch (error) {
      for (const { exchange, reject } of pushes) {
        exchange.cancel();
        reject(error);
      }
    } finally {
      this.#waiting.remove(batch.length + batch.pushes.length * OVERHEAD);
    }
  }

  /** A push to those of the frontends that it is for. */
  #sentTo(places: readonly Place[], channels: readonly number[], push: ChannelPush, exchange: Exchange): SentPush {
    const parts: PushedFrontend[] = [];
    const asked = new Set<string>();
    const unasked: string[] = [];
    const unreached: string[] = [];
    for (const { sid, receivers, counts } of places) {
      // To some the message brought other pushes.
      if (channels.every((channel) => counts[channel] === undefined)) continue;
      const count = channels.reduce((sum, channel) => sum + (counts[channel] ?? 0), 0);
      parts.push({ sid, count });
      if (receivers === 0) unreached.push(sid);
      if (push.ack) asked.add(sid);
      else if (receivers > 0) unasked.push(sid);
    }
    if (asked.size === 0) exchange.cancel();
    return {
      parts,
      listen: (listener) => {
        for (const sid of unasked) listener.sent(sid);
        if (asked.size > 0) exchange.expect(asked, listener, (sid) => requestTo(sid, places, channels, push));
        for (const sid of unreached) {
          if (push.ack) this.#transport.unreached(exchange, sid);
          else listener.failed(sid, unreachable(sid));
        }
      },
    };
  }

  async #send(stype: string, names: readonly string[], texts: readonly string[]): Promise<Place[]> {
    const { keys } = this.#connection;
    const text = await this.#connection.run<string>(
      pushScript,
      [keys.servers, ...names.map((name) => keys.sets(name))],
      [encodeURIComponent(stype), keys.inboxPrefix, this.#transport.id, ...texts],
    );
    const places = parsePlaces(text, names.length);
    this.#frontends = Math.max(1, places.length, this.#frontends - 1);
    return places;
  }
}

/** The place of a name among those that are known, maybe the next one. */
function indexOf(indices: Map<string, number>, name: string): number {
  let index = indices.get(name);
  if (index === undefined) indices.set(name, (index = indices.size));
  return index;
}

function parsePlaces(text: string, channels: number): Place[] {
  const words = text === "" ? [] : text.split(" ");
  const places: Place[] = [];
  for (let index = 0; index < words.length; index += 2 + channels) {
    const entries = words.slice(index + 2, index + 2 + channels);
    const counts = entries.map((entry) =>
      entry === "-" ? undefined : Number(entry.slice(entry.lastIndexOf(".") + 1)),
    );
    places.push({ sid: unescape(words[index]!), receivers: Number(words[index + 1]), entries, counts });
  }
  return places;
}

/** What a push has sent to a frontend. */
function requestTo(
  at: string,
  places: readonly Place[],
  channels: readonly number[],
  { names, route, body, except }: ChannelPush,
): FrontendRequest {
  const { entries } = places.find(({ sid }) => sid === at)!;
  const there = names
    .map((name, index) => ({ name, entry: entries[channels[index]!]! }))
    .filter(({ entry }) => entry !== "-");
  const target = { channels: there.map(({ name, entry }) => ({ name, version: versionOf(entry) })) };
  return { type: "push", target, route, body, ...(except.length > 0 && { except }) };
}
