import { chunks } from "../../batches.js";
import type { MemberSetChange } from "../../types.js";
import { keyOf, list, sql } from "./sql.js";

/** A change, and whether it begins or ends its member set. */
export interface LoggedChange {
  change: MemberSetChange;
  begins?: boolean;
  ends?: boolean;
}

/** What the log calls a change with which a channel begins or ends. */
export const EDGE_TYPES = { join: "created", leave: "emptied", clear: "cleared" } as const satisfies Record<
  MemberSetChange["type"],
  string
>;

/** How many member sets or channels one statement is about. */
const MAX_TOGETHER = 250;

/**
 * The changes with which their channels would begin or end if no other member sets were there than those of this transaction.
 *
 * @param held how many of these there are of each channel before the first change
 */
export function possibleEdges(log: readonly LoggedChange[], held: ReadonlyMap<string, number>): LoggedChange[] {
  const counts = new Map(held);
  return log.filter(({ change: { name }, begins, ends }) => {
    const before = counts.get(name) ?? 0;
    const after = before + (begins ? 1 : 0) - (ends ? 1 : 0);
    counts.set(name, after);
    return before !== after && (before === 0 || after === 0);
  });
}

/** What locks the rows of member sets that are to end, so that whoever asks for others must wait. */
export function lockSets(sets: string, ended: readonly { name: string; sid: string }[]): string[] {
  return together(
    ended.map(
      ({ name, sid }) =>
        sql`(SELECT 1 FROM ${sets} FORCE INDEX (by_name) WHERE name_key = ${keyOf(name)} AND sid_key = ${keyOf(sid)}
          FOR UPDATE)`,
    ),
  );
}

/**
 * What asks which of these channels have member sets at other frontends than these, by their numbers in `names`.
 *
 * To be asked when the transaction has written the rows of the sets that it begins, and locked those of the sets that it ends:
 * each such transaction then waits for the others that begin or end a set of the channel, by their rows, or shares the lock of
 * a row that stays until it is committed. So no two of them can both miss the other. That lock is of the index entry alone,
 * which other changes of that set do not touch.
 *
 * Each question comes twice. A transaction may end the set at one frontend and begin another one, and need not ask, as the
 * channel goes on: whoever waits for the row that goes has read past the place of the row that came meanwhile. The second time
 * it is found, unless the same happens once more in that moment.
 */
export function selectOthers(sets: string, names: ReadonlyMap<string, readonly string[]>): string[] {
  const selects = [...names].map(
    ([name, sids], index) =>
      sql`(SELECT ${index} FROM ${sets} FORCE INDEX (by_name) WHERE name_key = ${keyOf(name)}
        AND sid_key NOT IN ${list(sids.map(keyOf))} LIMIT 1 LOCK IN SHARE MODE)`,
  );
  const questions = together(selects);
  return [...questions, ...questions];
}

function together(selects: readonly string[]): string[] {
  return chunks(selects, MAX_TOGETHER).map((some) => some.join(" UNION ALL "));
}
