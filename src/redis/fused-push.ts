import { unreachable } from "../errors.js";
import type { Exchange } from "../transports/redis/exchange.js";
import type { RedisTransport } from "../transports/redis/transport.js";
import { encodeFusedPush, withoutAnswer } from "../transports/redis/wire.js";
import type { ChannelPush, Cluster, FusedPush, PushedFrontend, SentPush } from "../types.js";
import type { RedisConnection } from "./connection.js";
import { unescape } from "./keys.js";
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
  /* lua */ `
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

-- A lease is <deadline> <live> <incarnation> <stype> <holder>. No captures: they would cost as much as all the rest.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stype = ' ' .. ARGV[1] .. ' '
local function isLive(lease)
  local space = string.find(lease, ' ', 1, true)
  return string.byte(lease, space + 1) == 49 and string.find(lease, stype, space + 3, true)
    and tonumber(string.sub(lease, 1, space)) > now
end

local function isFor(pushed, own)
  for channel in string.gmatch(string.match(pushed, '^%-?%d+ (%S+)'), '%d+') do
    if own[channel + 1] ~= '-' then return true end
  end
  return false
end
local all
local function textFor(own)
  -- Where there is one channel, all that have members get the same.
  if all then return all end
  local lines = {'', ARGV[3]}
  for i = 4, #ARGV do
    if channels == 1 or isFor(ARGV[i], own) then lines[#lines + 1] = ARGV[i] end
  end
  local text = table.concat(lines, '\\n')
  if channels == 1 then all = text end
  return text
end

local leases = redis.call('HMGET', KEYS[1], unpack(sids))
local pushed = {}
for place, sid in ipairs(sids) do
  if leases[place] and isLive(leases[place]) then
    local own = entries[place]
    for channel = 1, channels do own[channel] = own[channel] or '-' end
    local line = table.concat(own, ' ')
    pushed[#pushed + 1] = sid
    pushed[#pushed + 1] = redis.call('PUBLISH', ARGV[2] .. sid, line .. textFor(own))
    pushed[#pushed + 1] = line
  end
end
return table.concat(pushed, ' ')`,
);

/**
 * How many pushes, how many names of channels in them, and how many characters of their bodies, go into one script call: keeps it
 * below a few milliseconds.
 */
const MAX_BATCH = 100;
const MAX_NAMES = 100;
const MAX_BATCH_LENGTH = 262_144;

/** A push that is to be sent. */
interface QueuedPush {
  id: number;
  push: ChannelPush;
  exchange: Exchange;
  resolve: (sent: SentPush) => void;
  reject: (error: unknown) => void;
}

/** Pushes of one tick to one type of frontends, which share a script call. */
interface Batch {
  stype: string;
  pushes: QueuedPush[];
  names: number;
  length: number;
}

/** A frontend that a message was sent to. */
interface Place {
  sid: string;
  receivers: number;
  /** How many members each channel has there, if any. */
  counts: ReadonlyMap<string, number>;
}

/**
 * One push, one round trip to a standalone Redis, whatever the number of frontends and members; the pushes of one tick share
 * it, and each frontend gets them in one message. See {@link FusedPush}.
 */
export class RedisFusedPush implements FusedPush {
  readonly parts: FusedPush["parts"];
  readonly maxNames = MAX_NAMES;
  readonly #connection: RedisConnection;
  readonly #transport: RedisTransport;
  #batch: Batch | undefined;

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
      const { id, exchange } = this.#transport.openExchange(push.timeoutMs, reject);
      this.#enqueue({ id, push, exchange, resolve, reject });
    });
  }

  #enqueue(queued: QueuedPush): void {
    const { stype, names, body } = queued.push;
    const hasRoom = this.#batch?.stype === stype && this.#batch.names + names.length <= MAX_NAMES;
    if (!hasRoom) this.#sendBatch();
    const batch = (this.#batch ??= this.#openBatch(stype));
    batch.pushes.push(queued);
    batch.names += names.length;
    batch.length += body.length;
    if (batch.pushes.length >= MAX_BATCH || batch.length >= MAX_BATCH_LENGTH) this.#sendBatch();
  }

  #openBatch(stype: string): Batch {
    // Changes that are called for later in this tick come after the push.
    this.#connection.flush();
    this.#connection.defer(() => this.#sendBatch());
    return { stype, pushes: [], names: 0, length: 0 };
  }

  #sendBatch(): void {
    const batch = this.#batch;
    this.#batch = undefined;
    if (!batch) return;
    this.#send(batch).then(
      (places) => {
        for (const { push, exchange, resolve } of batch.pushes) resolve(sentTo(places, push, exchange));
      },
      (error: unknown) => {
        for (const { exchange, reject } of batch.pushes) {
          exchange.cancel();
          reject(error);
        }
      },
    );
  }

  async #send({ stype, pushes }: Batch): Promise<Place[]> {
    const { keys } = this.#connection;
    const names = [...new Set(pushes.flatMap(({ push }) => push.names))];
    const indices = new Map(names.map((name, index) => [name, index]));
    const texts = pushes.map(({ id, push }) =>
      encodeFusedPush(
        push.ack ? id : withoutAnswer(id),
        push.names.map((name) => indices.get(name)!),
        push,
      ),
    );
    const text = await this.#connection.run<string>(
      pushScript,
      [keys.servers, ...names.map((name) => keys.sets(name))],
      [encodeURIComponent(stype), keys.inboxPrefix, this.#transport.id, ...texts],
    );
    return parsePlaces(text, names);
  }
}

function parsePlaces(text: string, names: readonly string[]): Place[] {
  const words = text === "" ? [] : text.split(" ");
  const places: Place[] = [];
  for (let index = 0; index < words.length; index += 2 + names.length) {
    const counts = new Map<string, number>();
    names.forEach((name, channel) => {
      const entry = words[index + 2 + channel]!;
      if (entry !== "-") counts.set(name, Number(entry.slice(entry.lastIndexOf(".") + 1)));
    });
    places.push({ sid: unescape(words[index]!), receivers: Number(words[index + 1]), counts });
  }
  return places;
}

/** A push to those of the frontends that it is for. */
function sentTo(places: readonly Place[], { names, ack }: ChannelPush, exchange: Exchange): SentPush {
  const parts: PushedFrontend[] = [];
  const asked = new Set<string>();
  const unasked: string[] = [];
  const unreached: string[] = [];
  for (const { sid, receivers, counts } of places) {
    // To some the message brought other pushes.
    if (!names.some((name) => counts.has(name))) continue;
    const count = names.reduce((sum, name) => sum + (counts.get(name) ?? 0), 0);
    parts.push({ sid, count });
    if (receivers === 0) unreached.push(sid);
    else if (ack) asked.add(sid);
    else unasked.push(sid);
  }
  if (asked.size === 0) exchange.cancel();
  return {
    parts,
    listen(listener) {
      for (const sid of unreached) listener.failed(sid, unreachable(sid));
      for (const sid of unasked) listener.sent(sid);
      if (asked.size > 0) exchange.expect(asked, listener);
    },
  };
}
