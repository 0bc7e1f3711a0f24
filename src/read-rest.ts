import type { ChannelHistory, HistoryPage, HistoryPosition } from "./types.js";
import type { EntriesAfter } from "./read-after.js";

/**
 * Reads up to `limit` messages after a position, those that are still kept: for who would rather have some than hear of a gap. After an
 * epoch that this one goes on with, or that is unknown, they are those that were kept since, or all. 1 round trip, or 2.
 */
export async function readRest(
  history: ChannelHistory,
  name: string,
  since: HistoryPosition,
  limit: number,
): Promise<EntriesAfter> {
  const read = (after: number) => history.read(name, { after, limit, reverse: false });
  const first = await read(since.offset);
  const after = first.position ? placeIn(first, since) : since.offset;
  const { position, entries } = after === since.offset ? first : await read(after);
  const last = entries.at(-1);
  const hasMore = last !== undefined && last.offset < position!.offset;
  return { entries, position: hasMore ? { epoch: position!.epoch, offset: last.offset } : position, hasMore };
}

/** The offset that stands for a position, of whatever epoch, in the epoch of now: what was lost between is in neither. */
export function placeIn({ position, former = [] }: HistoryPage, { epoch, offset }: HistoryPosition): number {
  if (position?.epoch === epoch) return Math.min(offset, position.offset);
  const end = former.find((one) => one.epoch === epoch);
  return end ? Math.min(offset, end.offset) : 0;
}
