import { unreachable } from "../errors.js";
import type { RedisTransport } from "../transports/redis/transport.js";
import { encodeFusedPush } from "../transports/redis/wire.js";
import type { ChannelPush, Cluster, FrontendReplies, FusedPush, PushedFrontend } from "../types.js";
import type { RedisConnection } from "./connection.js";
import { unescape } from "./keys.js";
import { defineScript } from "./script.js";

/**
 * Sends a push to every live frontend of a type that has members of the channels.
 * KEYS: 1 servers, 2 sets of the first channel, 3... sets of the others
 * ARGV: 1 stype (percent-encoded), 2 prefix of inboxes, 3 the push
 * Returns `<sid> <receivers> <entries>` for each (with spaces between all of it): the sid escaped, and its entry in the sets of
 * each channel, `-` if there is none.
 */
const pushScript = defineScript(
  "push",
  /* lua */ `
local sids, entries = {}, {}
local sets = redis.call('HGETALL', KEYS[2])
for i = 1, #sets, 2 do
  sids[#sids + 1] = sets[i]
  entries[#sids] = sets[i + 1]
end
if #KEYS > 2 then
  local places = {}
  for place, sid in ipairs(sids) do places[sid] = place end
  for channel = 3, #KEYS do
    local there = {}
    sets = redis.call('HGETALL', KEYS[channel])
    for i = 1, #sets, 2 do
      local place = places[sets[i]]
      if not place then
        place = #sids + 1
        places[sets[i]] = place
        sids[place] = sets[i]
        entries[place] = '-' .. string.rep(' -', channel - 3)
      end
      there[place] = true
      entries[place] = entries[place] .. ' ' .. sets[i + 1]
    end
    for place = 1, #sids do
      if not there[place] then entries[place] = entries[place] .. ' -' end
    end
  end
end
if #sids == 0 then return '' end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local leases = redis.call('HMGET', KEYS[1], unpack(sids))
local find, call, inbox = string.find, redis.call, ARGV[2]
local stype, message = ' ' .. ARGV[1] .. ' ', '\\n' .. ARGV[3]
local pushed, size = {}, 0
for i = 1, #sids do
  local sid, lease = sids[i], leases[i]
  if lease then
    -- <deadline> <live> <incarnation> <stype> <holder>: no captures, which would cost as much as the rest of this
    local space = find(lease, ' ', 1, true)
    if string.byte(lease, space + 1) == 49 and find(lease, stype, space + 3, true) and tonumber(string.sub(lease, 1, space)) > now then
      pushed[size + 1] = sid
      pushed[size + 2] = call('PUBLISH', inbox .. sid, entries[i] .. message)
      size = size + 3
      pushed[size] = entries[i]
    end
  end
end
return table.concat(pushed, ' ')`,
);

/** One push, one round trip to a standalone Redis, whatever the number of frontends and members. See {@link FusedPush}. */
export class RedisFusedPush implements FusedPush {
  readonly parts: FusedPush["parts"];
  readonly #connection: RedisConnection;
  readonly #transport: RedisTransport;

  constructor(
    connection: RedisConnection,
    parts: Pick<Cluster, "manager" | "registry"> & { transport: RedisTransport },
  ) {
    this.#connection = connection;
    this.#transport = parts.transport;
    this.parts = parts;
  }

  async push({ names, stype, timeoutMs, ...message }: ChannelPush): Promise<PushedFrontend[]> {
    const { keys } = this.#connection;
    const { id, exchange } = this.#transport.openExchange(timeoutMs);
    try {
      const text = await exchange.sending(
        this.#connection.run<string>(
          pushScript,
          [keys.servers, ...names.map((name) => keys.sets(name))],
          [encodeURIComponent(stype), keys.inboxPrefix, encodeFusedPush(this.#transport.id, id, { names, ...message })],
        ),
      );
      const words = text === "" ? [] : text.split(" ");
      const pushed: PushedFrontend[] = [];
      for (let index = 0; index < words.length; index += 2 + names.length) {
        const sid = unescape(words[index]!);
        const reply = exchange.expect(sid) as Promise<FrontendReplies["push"]>;
        const entries = words.slice(index + 2, index + 2 + names.length);
        pushed.push({ sid, count: entries.reduce((count, entry) => count + countOf(entry), 0), reply });
        if (words[index + 1] === "0") exchange.fail(sid, unreachable(sid));
      }
      return pushed;
    } finally {
      exchange.sent();
    }
  }
}

/** How many members a set has by its entry, `<version>.<count>`; `-` is none. */
function countOf(entry: string): number {
  return entry === "-" ? 0 : Number(entry.slice(entry.lastIndexOf(".") + 1));
}
