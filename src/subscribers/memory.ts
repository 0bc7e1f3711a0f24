import { LRUCache } from "lru-cache";
import type { ChannelPosition, HistoryPosition, Subscriber, SubscriberStore } from "../types.js";

/** How many characters all have together: beyond that those are given up that nobody has asked for for longest. */
const MAX_CHARACTERS = 64 * 1024 * 1024;
/** Of each subscriber, and of each of its channels. */
const OVERHEAD = 300;

interface Kept {
  positions: Map<string, HistoryPosition>;
  note: string | undefined;
}

/** Keeps up to 64 Mi characters in this process. See {@link SubscriberStore}. */
export class MemorySubscriberStore implements SubscriberStore {
  readonly #kept = new LRUCache<string, Kept>({
    // No `max`: room for that many would be taken at once.
    maxSize: MAX_CHARACTERS,
    sizeCalculation: ({ positions, note }, id) => id.length + (note?.length ?? 0) + (positions.size + 1) * OVERHEAD,
    perf: performance,
    // No time is remembered: an end is exact.
    ttlResolution: 0,
    ttlAutopurge: true,
  });

  read(id: string): Subscriber | undefined {
    const kept = this.#kept.get(id);
    return (
      kept && { positions: Array.from(kept.positions, ([name, position]) => ({ name, ...position })), note: kept.note }
    );
  }

  subscribe(id: string, { name, epoch, offset }: ChannelPosition, ttlMs: number): boolean {
    const { positions = new Map<string, HistoryPosition>(), note } = this.#kept.get(id) ?? {};
    const isNew = !positions.has(name);
    if (isNew) positions.set(name, { epoch, offset });
    this.#keep(id, { positions, note }, Math.max(ttlMs, this.#kept.getRemainingTTL(id)));
    return isNew;
  }

  unsubscribe(id: string, name: string): boolean {
    return this.#kept.get(id)?.positions.delete(name) ?? false;
  }

  save(id: string, positions: readonly ChannelPosition[], note: string, ttlMs: number): boolean {
    const kept = this.#kept.get(id);
    const all = kept?.positions ?? new Map<string, HistoryPosition>();
    for (const { name, epoch, offset } of positions) {
      const last = all.get(name);
      if (last && (last.epoch !== epoch || last.offset < offset)) all.set(name, { epoch, offset });
    }
    this.#keep(id, { positions: all, note }, ttlMs);
    return kept?.note !== undefined;
  }

  expire(id: string, ttlMs: number): boolean {
    const kept = this.#kept.get(id);
    if (kept) this.#keep(id, kept, ttlMs);
    return kept?.note !== undefined;
  }

  #keep(id: string, kept: Kept, ttlMs: number): void {
    this.#kept.set(id, kept, { ttl: ttlMs });
  }
}
