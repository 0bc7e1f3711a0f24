import { chunks } from "../../batches.js";
import { COSTLY_BATCH, type RedisConnection } from "../../redis/connection.js";
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
import { type ChannelHistoryOptions, type FindLimits, findLimits } from "../limits.js";
import { readAppended, readPosition } from "./answers.js";
import { appendMessage, findPositions, readMessages, removeHistory, settlePush } from "./scripts.js";

/** The channel of pushes that are not to channels; channels have no empty names. */
const NO_CHANNEL = "";

/**
 * Keeps messages in streams. A channel costs a hash and a stream, which expire. In a Redis Cluster what is kept for channels of several
 * partitions is kept in one step for each of those. It asks Redis for `INFO server`, so that it knows when that was restarted. See
 * {@link ChannelHistory}.
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

  async append({ entry, limits, idempotencyKey }: HistoryAppend): Promise<Appended> {
    const { layout } = this.#connection;
    const channels = entry.names.map((name, index) => ({ name, limits: limits[index] }));
    const positions: Appended["positions"][number][] = [];
    const [first = NO_CHANNEL] = entry.names;
    let key = idempotencyKey === undefined ? undefined : layout.of(first).pushed(first, idempotencyKey);
    for (const [keys, own] of byPartition(
      layout,
      channels.length > 0 ? channels : [{ name: first, limits: undefined }],
      ({ name }) => name,
    )) {
      const kept = own.filter(({ limits: given }) => given);
      if (kept.length === 0 && key === undefined) continue;
      const answer = await this.#connection.write<string>(
        keys,
        appendMessage,
        [key ?? keys.nothing, ...kept.flatMap(({ name }) => [keys.history(name), keys.messages(name)])],
        [
          key === undefined ? 0 : 1,
          entry.stype,
          encodePushText(entry),
          entry.body,
          ...kept.flatMap(({ limits: given }) => [given!.size, given!.ttlMs]),
        ],
      );
      const appended = readAppended(
        answer,
        kept.map(({ name }) => name),
      );
      // It is of the first partition.
      if (appended.repeated !== undefined) return appended;
      positions.push(...appended.positions);
      key = undefined;
    }
    return { positions };
  }

  async settle(names: readonly string[], idempotencyKey: string, outcome: string | undefined): Promise<void> {
    const [first = NO_CHANNEL] = names;
    const keys = this.#connection.layout.of(first);
    const args = outcome === undefined ? [] : [outcome];
    await this.#connection.read(keys, settlePush, [keys.pushed(first, idempotencyKey)], args);
  }

  async read(name: string, { after, until, limit, reverse }: HistoryRange): Promise<HistoryPage> {
    const keys = this.#connection.layout.of(name);
    const [position, ...fields] = await this.#connection.read<(string | number)[]>(
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
    return { position: readPosition(position as string | undefined), entries };
  }

  async positions(names: readonly string[], limits?: HistoryLimits): Promise<(HistoryPosition | undefined)[]> {
    const found = new Map<string, HistoryPosition | undefined>();
    const parts = byPartition(this.#connection.layout, [...new Set(names)], (name) => name);
    const batches = [...parts].flatMap(([keys, all]) => chunks(all, COSTLY_BATCH).map((own) => ({ keys, own })));
    await Promise.all(
      batches.map(async ({ keys, own }) => {
        const positions = await this.#connection.read<string[]>(
          keys,
          findPositions,
          own.flatMap((name) => [keys.history(name), keys.messages(name)]),
          own.map((name) => (limits ?? this.limitsOf(name))?.ttlMs ?? 0),
        );
        for (const [index, name] of own.entries()) found.set(name, readPosition(positions[index]));
      }),
    );
    return names.map((name) => found.get(name));
  }

  async remove(name: string): Promise<void> {
    const keys = this.#connection.layout.of(name);
    await this.#connection.write(keys, removeHistory, [keys.history(name), keys.messages(name)], []);
  }
}
