import { chunks } from "../../batches.js";
import { COSTLY_BATCH, type RedisConnection } from "../../redis/connection.js";
import type { Keys } from "../../redis/keys.js";
import { byPartition } from "../../redis/layout.js";
import { decodePushText, encodePushText } from "../../redis/push-text.js";
import type {
  Appended,
  ChannelHistory,
  HistoryAppend,
  HistoryEntry,
  HistoryLimits,
  HistoryPage,
  HistoryPosition,
  HistoryRange,
  KeptEntry,
} from "../../types.js";
import { type ChannelHistoryOptions, type FindLimits, findLimits } from "../../history-limits.js";
import { readAppended, readPosition } from "./answers.js";
import { AppendBatches, type PartAppend } from "./append-batches.js";
import { markOf, NO_CHANNEL } from "./mark.js";
import { findPositions, readMessages, removeHistory, settlePush } from "./scripts.js";

/** What an append does in one partition. */
type Part = Pick<PartAppend, "mark" | "channels"> & { keys: Keys };

/**
 * Keeps messages in streams. A channel costs a hash and a stream, which expire. In a Redis Cluster what is kept for channels of several
 * partitions is kept in one step for each of those; with an idempotency key in the first of them before the others, which is another
 * round trip. It asks Redis for `INFO server`, so that it knows when that was restarted.
 * An injected client that sends again what was under way when its connection broke, as ioredis does unless `maxRetriesPerRequest` is 0,
 * may keep a message twice that has no idempotency key. See {@link ChannelHistory}.
 */
export class RedisChannelHistory implements ChannelHistory {
  readonly limitsOf: FindLimits;
  readonly #connection: RedisConnection;
  readonly #batches = new Map<Keys, AppendBatches>();

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

  async append({ entry, limits, idempotencyKey }: HistoryAppend): Promise<Appended> {
    const limitsByName = new Map(entry.names.map((name, index) => [name, limits[index]]));
    const [first, ...others] = this.#partsOf(entry.names).flatMap(([keys, own]): Part[] => {
      const mark = idempotencyKey === undefined ? undefined : markOf(keys, own[0]!, entry.names, idempotencyKey);
      const channels = own.map((name) => ({ name, limits: limitsByName.get(name) }));
      const isKept = mark !== undefined || channels.some((channel) => channel.limits);
      return isKept ? [{ keys, mark, channels }] : [];
    });
    if (!first) return { positions: [] };
    const text = encodePushText(entry);
    const known = this.#appendIn(first, entry, text);
    const textOfOthers =
      first.mark === undefined || others.length === 0
        ? text
        : known.then(({ id }) => (id ? encodePushText({ ...entry, id }) : text));
    // All are called for at once: what comes later, to some of these channels, must not overtake those that wait for the first.
    const all = await Promise.all([known, ...others.map((part) => this.#appendIn(part, entry, textOfOthers))]);
    const found = new Map(all.flatMap(({ positions }) => positions.map((one) => [one.name, one])));
    const { repeated } = all[0];
    const positions = entry.names.flatMap((name) => found.get(name) ?? []);
    return repeated === undefined ? { positions } : { positions, repeated };
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
   * append was cut off between them, the next one with the key does what is left. As which push, the first of them says: one that is done
   * by two callers at the same time, or by one after the other, has the same id in all its channels.
   */
  async #appendIn(
    { keys, mark, channels }: Part,
    entry: HistoryEntry,
    text: PartAppend["text"],
  ): Promise<ReturnType<typeof readAppended>> {
    const answer = await this.#batchesIn(keys).append({ mark, entry, text, channels });
    return readAppended(
      answer,
      channels.map(({ name }) => name),
    );
  }

  #batchesIn(keys: Keys): AppendBatches {
    let batches = this.#batches.get(keys);
    if (!batches) this.#batches.set(keys, (batches = new AppendBatches(this.#connection, keys)));
    return batches;
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
