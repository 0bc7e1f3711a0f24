import type { Row } from "./session.js";
import { keyText } from "./sql.js";

/** A row of the log, whose first columns are the key of its frontend and its token. */
export interface OrderedRow {
  row: Row;
  /** When it was made, which no earlier change at its frontend is after. */
  token: Buffer;
}

/**
 * Makes the token of a change: its time, its place among those of its transaction, and random bytes. Tokens are in the order
 * in which changes were made, wherever that matters: at one frontend, and where channels begin or end.
 *
 * @param madeAt in microseconds since 1970, on the clock of the database
 */
export function tokenOf(madeAt: number, place: number, random: Buffer): Buffer {
  const token = Buffer.alloc(16);
  token.writeBigUInt64BE(BigInt(madeAt));
  token.writeUIntBE(place, 8, 3);
  random.copy(token, 11);
  return token;
}

/** Puts rows, which are in order for each frontend, in the order in which they were made. */
export function inOrder(rows: readonly Row[]): OrderedRow[] {
  const last = new Map<string, Buffer>();
  const ordered = rows.map((row): OrderedRow => {
    const [key, token] = row as [Buffer, Buffer];
    const before = last.get(keyText(key));
    // The clock of the database may be set back, and was read before the lock was had.
    const latest = before && before.compare(token) > 0 ? before : token;
    last.set(keyText(key), latest);
    return { row, token: latest };
  });
  return ordered.toSorted((one, other) => one.token.compare(other.token));
}
