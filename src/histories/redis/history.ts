import { chunks } from "../../batches.js";
import { COSTLY_BATCH, type RedisConnection } from "../../redis/connection.js";
import type { Keys } from "../../redis/keys.js";
import { byPartition } from "../../redis/layout.js";
import { decodePushText, encodePushText } from "../../redis/push-text.js";
import type {
  Appended,
  ChannelHistory,
  HistoryAppend,
  HistoryLimits,
  HistoryPage,
  HistoryPosition,
  HistoryRange,
  KeptEntry,
} from "../../types.js";
import { type ChannelHistoryOptions, type FindLimits, findLimits } from "../../history-limits.js";
import { readAppended, readPosition } from "./answers.js";
import { markOf, NO_CHANNEL } from "./mark.js";
import { appendMessage, findPositions, limitText, readMessages, removeHistory, settlePush } from "./scripts.js";

/**
 * Keeps messages in streams. A channel costs a hash and a stream, which expire. In a Redis Cluster what is kept for channels of several
 * partitions is kept in one step for each of those. It asks Redis for `INFO server`, so that it knows when that was restarted.
 * An injected client that sends again what was under way when its connection broke, as ioredis does unless `maxRetriesPerRequest` is 0,
 * may keep a message twice that has no idempotency key. See {@link ChannelHistory}.
 */
export class RedisChannelHistory implements ChannelHistory {
  readonly limitsOf: FindLimits;
  readonly #connection: RedisConnection;

  /** @throws `GC_INVALID_OPTION` */
  constructor(connection: RedisConnection, options: ChannelHistoryOptions = {}) {
    this.#connection = connection;
    this.limitsOf = findLimits("RedisChannelHistory", options);
  }

  start(): Promise<void> {
    return this.#connection.open();
  }

  stop(): Promise<void> {
    return this.#connection.close();
  }

  async append(append: HistoryAppend): Promise<Appended> {
    const text = encodePushText(append.entry);
    // All at once: what is called for later, to some of these channels, must not overtake those that would wait here.
    const [first, ...others] = await Promise.all(
      this.#partsOf(append.entry.names).map(([keys, own]) => this.#appendIn(keys, own, append, text)),
    );
    const found = new Map([first!, ...others].flatMap(({ positions }) => positions.map((one) => [one.name, one])));
    return { ...first!, positions: append.entry.names.flatMap((name) => found.get(name) ?? []) };
  }

  async settle(names: readonly string[], idempotencyKey: string, outcome: string | undefined): Promise<void> {
    const args = outcome === undefined ? [] : [outcome];
    // It is known at the first of them what has become of it.
    const parts = outcome === undefined ? this.#partsOf(names) : this.#partsOf(names).slice(0, 1);
    await Promise.all(
      parts.map(([keys, [name]]) =>
        this.#connection.read(keys, settlePush, [markOf(keys, name!, names, idempotencyKey)], args),
      ),
    );
  }

  async read(name: string, { after, until, limit, reverse }: HistoryRange): Promise<HistoryPage> {
    const keys = this.#connection.layout.of(name);
    const [position, former = "", ...fields] = await this.#connection.read<(string | number)[]>(
      keys,
      readMessages,
      [keys.history(name), keys.messages(name)],
      [after, until ?? "+", limit, reverse ? 1 : 0],
    );
    const entries: KeptEntry[] = [];
    for (let index = 0; index < fields.length; index += 5) {
      const [offset, stype, text, body, at] = fields.slice(index, index + 5) as [
        number,
        string,
        string,
        string,
        string,
      ];
      entries.push({ ...decodePushText(text), offset, stype, body, at: Number(at) / 1000 });
    }
    return {
      position: readPosition(position as string | undefined),
      entries,
      former: String(former)
        .split(",")
        .flatMap((text) => readPosition(text) ?? []),
    };
  }

  async positions(names: readonly string[], limits?: HistoryLimits): Promise<(HistoryPosition | undefined)[]> {
    const found = new Map<string, HistoryPosition | undefined>();
    const parts = byPartition(this.#connection.layout, [...new Set(names)], (name) => name);
    await Promise.all(
      [...parts].flatMap(([keys, all]) =>
        chunks(all, COSTLY_BATCH).map(async (own) => {
          for (const [index, position] of (await this.#positionsIn(keys, own, limits)).entries()) {
            found.set(own[index]!, readPosition(position));
          }
        }),
      ),
    );
    return names.map((name) => found.get(name));
  }

  async remove(name: string): Promise<void> {
    const keys = this.#connection.layout.of(name);
    await this.#connection.write(keys, removeHistory, [keys.history(name), keys.messages(name)], []);
  }

  /** The partitions of a push, each with its channels there; of one that is not to channels there is one all the same. */
  #partsOf(names: readonly string[]): [Keys, string[]][] {
    return [...byPartition(this.#connection.layout, names.length > 0 ? names : [NO_CHANNEL], (name) => name)];
  }

  /**
   * Keeps it for the channels of one partition. With an idempotency key each partition knows by itself whether that was done: where an
   * append was cut off between them, the next one with the key does what is left.
   */
  async #appendIn(
    keys: Keys,
    own: readonly string[],
    { entry, limits, idempotencyKey }: HistoryAppend,
    text: string,
  ): Promise<Appended> {
    const limitsByName = new Map(entry.names.map((name, index) => [name, limits[index]]));
    const kept = own.filter((name) => limitsByName.get(name));
    const hasKey = idempotencyKey !== undefined;
    if (kept.length === 0 && !hasKey) return { positions: [] };
    const answer = await this.#connection.write<string>(
      keys,
      appendMessage,
      [
        hasKey ? markOf(keys, own[0]!, entry.names, idempotencyKey) : keys.nothing,
        ...kept.flatMap((name) => [keys.history(name), keys.messages(name)]),
      ],
      [hasKey ? 1 : 0, entry.stype, text, entry.body, ...own.map((name) => limitText(limitsByName.get(name)))],
    );
    return readAppended(answer, own);
  }

  #positionsIn(keys: Keys, names: readonly string[], limits: HistoryLimits | undefined): Promise<string[]> {
    return this.#connection.read<string[]>(
      keys,
      findPositions,
      names.flatMap((name) => [keys.history(name), keys.messages(name)]),
      names.map((name) => (limits ?? this.limitsOf(name))?.ttlMs ?? 0),
    );
  }
}
