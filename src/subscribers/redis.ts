import type { RedisConnection } from "../redis/connection.js";
import { defineScript } from "../redis/script.js";
import type { ChannelPosition, Subscriber, SubscriberStore } from "../types.js";

/*
 * A subscriber is a hash: `n` its note, `c<channel>` where it is in a channel, `<offset> <epoch>`.
 */
const NOTE = "n";
const CHANNEL = "c";

/**
 * Adds a channel.
 * KEYS: 1 the subscriber
 * ARGV: 1 the channel's field, 2 its position, 3 ttl (ms)
 * Returns 1 or 0.
 */
const subscribe = defineScript(
  "subscribe",
  /* lua */ `
local isNew = redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return isNew`,
);

/**
 * Notes positions in channels that are there.
 * KEYS: 1 the subscriber
 * ARGV: 1 note, 2 ttl (ms), 3... fields and positions of channels
 * Returns 1, or 0 where nothing was noted before.
 */
const save = defineScript(
  "saveSubscriber",
  /* lua */ `
local function isBehind(position, other)
  local offset, epoch = string.match(position, '^(%d+) (.*)$')
  local otherOffset, otherEpoch = string.match(other, '^(%d+) (.*)$')
  return epoch == otherEpoch and tonumber(offset) < tonumber(otherOffset)
end
local isFirst = redis.call('HSET', KEYS[1], '${NOTE}', ARGV[1])
for i = 3, #ARGV, 2 do
  local kept = redis.call('HGET', KEYS[1], ARGV[i])
  if kept and not isBehind(ARGV[i + 1], kept) then redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1 - isFirst`,
);

/**
 * Keeps a subscriber for longer, or shorter.
 * KEYS: 1 the subscriber
 * ARGV: 1 ttl (ms)
 * Returns 1, or 0 where nothing is noted.
 */
const expire = defineScript(
  "expireSubscriber",
  /* lua */ `
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return redis.call('HEXISTS', KEYS[1], '${NOTE}')`,
);

/** Keeps each subscriber in a hash of its own, on the clock of Redis. See {@link SubscriberStore}. */
export class RedisSubscriberStore implements SubscriberStore {
  readonly #connection: RedisConnection;

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  start(): Promise<void> {
    return this.#connection.open();
  }

  stop(): Promise<void> {
    return this.#connection.close();
  }

  async read(id: string): Promise<Subscriber | undefined> {
    const fields = Object.entries(await this.#connection.command((client) => client.hgetall(this.#key(id))));
    if (fields.length === 0) return undefined;
    const positions = fields.filter(([field]) => field.startsWith(CHANNEL)).map(([field, text]) => decode(field, text));
    return { positions, note: fields.find(([field]) => field === NOTE)?.[1] };
  }

  async subscribe(id: string, position: ChannelPosition, ttlMs: number): Promise<boolean> {
    return (await this.#run<number>(id, subscribe, [...encode(position), Math.ceil(ttlMs)])) === 1;
  }

  async unsubscribe(id: string, name: string): Promise<boolean> {
    return (await this.#connection.command((client) => client.hdel(this.#key(id), CHANNEL + name))) === 1;
  }

  async save(id: string, positions: readonly ChannelPosition[], note: string, ttlMs: number): Promise<boolean> {
    return (await this.#run<number>(id, save, [note, Math.ceil(ttlMs), ...positions.flatMap(encode)])) === 1;
  }

  async expire(id: string, ttlMs: number): Promise<boolean> {
    return (await this.#run<number>(id, expire, [Math.ceil(ttlMs)])) === 1;
  }

  #run<T>(id: string, script: Parameters<RedisConnection["write"]>[1], args: readonly (string | number)[]): Promise<T> {
    return this.#connection.write<T>(this.#connection.layout.of(id), script, [this.#key(id)], args);
  }

  #key(id: string): string {
    return this.#connection.layout.of(id).subscriber(id);
  }
}

function encode({ name, epoch, offset }: ChannelPosition): [string, string] {
  return [CHANNEL + name, `${offset} ${epoch}`];
}

function decode(field: string, text: string): ChannelPosition {
  const space = text.indexOf(" ");
  return { name: field.slice(CHANNEL.length), epoch: text.slice(space + 1), offset: Number(text.slice(0, space)) };
}
