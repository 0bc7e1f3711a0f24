import type { HistoryEntry } from "../types.js";

/** What an entry takes besides its texts, in characters. */
const OVERHEAD = 200;

/** About how much it takes to keep an entry, in characters. */
export function sizeOfEntry({ route, body, stype, except, names }: HistoryEntry): number {
  const lists = [except, names].flat().reduce((sum, { length }) => sum + length, 0);
  return OVERHEAD + route.length + body.length + stype.length + lists;
}
