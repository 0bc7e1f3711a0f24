import { randomBytes } from "node:crypto";
import { LRUCache } from "lru-cache";
import type {
  Appended,
  ChannelHistory,
  ChannelPosition,
  HistoryAppend,
  HistoryEntry,
  HistoryLimits,
  HistoryPage,
  HistoryPosition,
  HistoryRange,
  KeptEntry,
} from "../types.js";
import { sizeOfEntry } from "./entry.js";
import {
  type ChannelHistoryOptions,
  EPOCH_TTLS,
  type FindLimits,
  findLimits,
  IDEMPOTENCY_MS,
  MAX_READ_BYTES,
} from "../history-limits.js";

/** How many characters all channels keep together, and all outcomes: beyond that the channels are given up that got nothing for longest. */
const MAX_CHARACTERS = 128 * 1024 * 1024;
const MAX_OUTCOME_CHARACTERS = 64 * 1024 * 1024;
const OVERHEAD = 300;

interface Channel {
  position: HistoryPosition;
  entries: KeptEntry[];
  characters: number;
  /** When its entries are over; its epoch goes on for longer. */
  endsAt: number;
}

/** Keeps up to 128 Mi characters in this process. See {@link ChannelHistory}. */
export class MemoryChannelHistory implements ChannelHistory {
  readonly appendsAtOnce = true;
  readonly limitsOf: FindLimits;
  readonly #channels = keptFor<Channel>(MAX_CHARACTERS, ({ characters }) => characters);
  readonly #outcomes = keptFor<{ outcome: string; positions: readonly ChannelPosition[] }>(
    MAX_OUTCOME_CHARACTERS,
    ({ outcome }) => outcome.length,
  );

  #lastAt = 0;

  /** @throws `GC_INVALID_OPTION` */
  constructor(options: ChannelHistoryOptions = {}) {
    this.limitsOf = findLimits("MemoryChannelHistory", options);
  }

  append({ entry, limits, idempotencyKey }: HistoryAppend): Appended {
    const key = idempotencyKey === undefined ? undefined : outcomeKey(entry.names, idempotencyKey);
    const first = key && this.#outcomes.get(key);
    if (first) return { positions: first.positions, repeated: first.outcome };
    const positions = entry.names.flatMap((name, index): ChannelPosition[] => {
      const kept = limits[index];
      return kept ? [{ name, ...this.#append(name, entry, kept) }] : [];
    });
    if (key) this.#outcomes.set(key, { outcome: "", positions }, { ttl: IDEMPOTENCY_MS });
    return { positions };
  }

  settle(names: readonly string[], idempotencyKey: string, outcome: string | undefined): void {
    const key = outcomeKey(names, idempotencyKey);
    const first = this.#outcomes.get(key);
    if (!first) return;
    if (outcome === undefined) this.#outcomes.delete(key);
    else this.#outcomes.set(key, { ...first, outcome }, { ttl: this.#outcomes.getRemainingTTL(key) });
  }

  read(name: string, { after, until = Infinity, limit, reverse }: HistoryRange): HistoryPage {
    const channel = this.#channels.get(name);
    if (!channel) return { position: undefined, entries: [] };
    const { position, endsAt } = channel;
    const entries = performance.now() < endsAt ? channel.entries : [];
    const before = position.offset - entries.length;
    const found = entries.slice(Math.max(0, after - before), Math.max(0, until - before));
    return { position, entries: atMost(limit, reverse ? found.toReversed() : found) };
  }

  positions(names: readonly string[], given?: HistoryLimits): (HistoryPosition | undefined)[] {
    return names.map((name) => {
      const channel = this.#channels.get(name);
      if (channel) return channel.position;
      const limits = given ?? this.limitsOf(name);
      return limits && this.#begin(name, limits).position;
    });
  }

  remove(name: string): void {
    this.#channels.delete(name);
  }

  #begin(name: string, limits: HistoryLimits): Channel {
    const position = { epoch: randomBytes(9).toString("base64url"), offset: 0 };
    return this.#keep(name, { position, entries: [], characters: 0 }, limits);
  }

  #keep(name: string, kept: Omit<Channel, "endsAt">, { ttlMs }: HistoryLimits): Channel {
    const channel = { ...kept, endsAt: performance.now() + ttlMs };
    this.#channels.set(name, channel, { ttl: EPOCH_TTLS * ttlMs });
    return channel;
  }

  /** A time, never the same twice. */
  #now(): number {
    this.#lastAt = Math.max(performance.timeOrigin + performance.now(), this.#lastAt + 0.001);
    return this.#lastAt;
  }

  #append(name: string, entry: HistoryEntry, limits: HistoryLimits): HistoryPosition {
    const { position: last, entries, characters, endsAt } = this.#channels.get(name) ?? this.#begin(name, limits);
    const position = { epoch: last.epoch, offset: last.offset + 1 };
    const isOver = performance.now() >= endsAt;
    const kept = isOver ? [] : entries;
    kept.push({ ...entry, offset: position.offset, at: this.#now() });
    const gone = kept.splice(0, kept.length - limits.size);
    const size = gone.reduce((sum, one) => sum - sizeOfEntry(one), (isOver ? 0 : characters) + sizeOfEntry(entry));
    this.#keep(name, { position, entries: kept, characters: size }, limits);
    return position;
  }
}

/** The first of them, up to {@link MAX_READ_BYTES}. */
function atMost(limit: number, entries: readonly KeptEntry[]): KeptEntry[] {
  let bytes = 0;
  let count = 0;
  while (count < Math.min(limit, entries.length) && bytes < MAX_READ_BYTES) bytes += entries[count++]!.body.length;
  return entries.slice(0, count);
}

function keptFor<V extends object>(maxSize: number, size: (value: V) => number): LRUCache<string, V> {
  return new LRUCache<string, V>({
    // No `max`: room for that many would be taken at once.
    maxSize,
    sizeCalculation: (value, key) => size(value) + key.length + OVERHEAD,
    perf: performance,
    // No time is remembered: an end is exact.
    ttlResolution: 0,
    ttlAutopurge: true,
  });
}

function outcomeKey(names: readonly string[], idempotencyKey: string): string {
  return JSON.stringify([idempotencyKey, ...names]);
}
