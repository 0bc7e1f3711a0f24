import { unreachable } from "../errors.js";
import type { RedisTransport } from "../transports/redis/transport.js";
import { encodeFusedPush } from "../transports/redis/wire.js";
import type { ChannelPush, Cluster, FrontendReplies, FusedPush, PushedFrontend } from "../types.js";
import type { RedisConnection } from "./connection.js";
import { unescape } from "./keys.js";
import { defineScript } from "./script.js";

/**
 * Sends a push to every live frontend of a type that has members of the channels.
 * KEYS: 1 servers, 2... sets of the channels
 * ARGV: 1 stype (percent-encoded), 2 prefix of inboxes, 3 the push
 * Returns {sid (escaped), count, receivers, sid, count, receivers, ...}.
 */
const pushScript = defineScript(
  "push",
  /* lua */ `
local sids, versions, counts = {}, {}, {}
for channel = 2, #KEYS do
  local sets = redis.call('HGETALL', KEYS[channel])
  for i = 1, #sets, 2 do
    local sid = sets[i]
    local version, count = string.match(sets[i + 1], '^(.*)%.(%d+)$')
    local known = versions[sid]
    if not known then
      sids[#sids + 1] = sid
      known = string.rep('- ', channel - 2)
      counts[sid] = 0
    else
      local _, spaces = string.gsub(known, ' ', '')
      known = known .. string.rep('- ', channel - 2 - spaces)
    end
    versions[sid] = known .. version .. ' '
    counts[sid] = counts[sid] + count
  end
end
if #sids == 0 then return {} end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local leases = redis.call('HMGET', KEYS[1], unpack(sids))
local pushed = {}
for i, sid in ipairs(sids) do
  if leases[i] then
    local deadline, live, stype = string.match(leases[i], '^(%d+) (%d) %S+ (%S+)')
    if live == '1' and stype == ARGV[1] and tonumber(deadline) > now then
      local receivers = redis.call('PUBLISH', ARGV[2] .. sid, versions[sid] .. '\\n' .. ARGV[3])
      pushed[#pushed + 1] = sid
      pushed[#pushed + 1] = counts[sid]
      pushed[#pushed + 1] = receivers
    end
  end
end
return pushed`,
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
      const flat = await this.#connection.run<(string | number)[]>(
        pushScript,
        [keys.servers, ...names.map((name) => keys.sets(name))],
        [encodeURIComponent(stype), keys.inboxPrefix, encodeFusedPush(this.#transport.id, id, { names, ...message })],
      );
      const pushed: PushedFrontend[] = [];
      for (let index = 0; index < flat.length; index += 3) {
        const sid = unescape(String(flat[index]));
        const reply = exchange.expect(sid) as Promise<FrontendReplies["push"]>;
        pushed.push({ sid, count: Number(flat[index + 1]), reply });
        if (Number(flat[index + 2]) === 0) exchange.fail(sid, unreachable(sid));
      }
      return pushed;
    } finally {
      exchange.sent();
    }
  }
}
