import type { ChannelHistory, HistoryPosition, KeptEntry } from "./types.js";

/**
 * Why messages after a position are not there: older ones had to make room for newer ones; they were kept for long enough; or the
 * position is of another epoch, and nobody knows what came after it.
 */
export type HistoryGap = "trimmed" | "expired" | "epoch";

/** In the place of an epoch where a channel has none. No epoch is called so. */
export const NO_EPOCH = "none";

/** The messages after a position, all that there were, or a gap. */
export interface EntriesAfter {
  entries: readonly KeptEntry[];
  /** Where they end; with a gap, or without more of them, where the history does. Undefined: it has no epoch. */
  position: HistoryPosition | undefined;
  hasMore: boolean;
  gap?: HistoryGap;
}

/** Reads up to `limit` messages after a position. 1 round trip. */
export async function readAfter(
  history: ChannelHistory,
  name: string,
  since: HistoryPosition,
  limit: number,
): Promise<EntriesAfter> {
  const { position, entries } = await history.read(name, { after: since.offset, limit, reverse: false });
  const gap = findGap(since, position, entries[0]);
  if (gap) return { entries: [], position, hasMore: false, gap };
  const last = entries.at(-1);
  const hasMore = last !== undefined && last.offset < position!.offset;
  return { entries, position: hasMore ? { epoch: since.epoch, offset: last.offset } : position, hasMore };
}

/** @param first the first message after `since` that is kept */
export function findGap(
  since: HistoryPosition,
  end: HistoryPosition | undefined,
  first: KeptEntry | undefined,
): HistoryGap | undefined {
  if (end?.epoch !== since.epoch || since.offset > end.offset) return "epoch";
  if (since.offset === end.offset) return undefined;
  if (!first) return "expired";
  return first.offset > since.offset + 1 ? "trimmed" : undefined;
}
