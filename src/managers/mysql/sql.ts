import { hash } from "node:crypto";
import { chunks, chunksBySize } from "../../batches.js";

/*
 * Every value is written into SQL as a number or as hexadecimal bytes, and never as a quoted string: that is safe, and keeps
 * every byte, whatever the SQL mode, the character set and the time zone of a connection that the application has opened.
 */

/** A value of a statement: a whole number, bytes, or nothing. */
export type SqlValue = number | Buffer | null;

/** How long a statement may get before another one is begun. */
const MAX_STATEMENT_LENGTH = 512 * 1024;

/** How many values are listed in one statement, where optimizers give up on longer lists, and how many are joined. */
const [MAX_COMPARED, MAX_JOINED] = [2000, 250];
/** How many values are worth a list of their own. */
const MANY = 100;

export function literal(value: SqlValue): string {
  if (value === null) return "NULL";
  if (typeof value === "number") return String(value);
  return value.length === 0 ? "''" : `x'${value.toString("hex")}'`;
}

/** Takes `sql` and values in the places of its expressions; strings among them are SQL themselves. */
export function sql(parts: TemplateStringsArray, ...values: (SqlValue | string)[]): string {
  return parts.reduce((statement, part, index) => {
    const value = values[index - 1] as SqlValue | string;
    return statement + (typeof value === "string" ? value : literal(value)) + part;
  });
}

/** What is compared instead of a name. */
export function keyOf(name: string): Buffer {
  return hash("sha256", name, "buffer");
}

/** A key as it can be told from others in a map. */
export function keyText(key: Buffer): string {
  return key.toString("latin1");
}

export function text(value: string): Buffer {
  return Buffer.from(value);
}

export function list(values: readonly SqlValue[]): string {
  return `(${values.map(literal).join(",")})`;
}

/**
 * `head` and the rows after it, in as many statements as their size asks for; none without rows.
 *
 * @param last SQL of the last column, the same in all rows; none if it is empty
 * @param tail SQL after the rows
 */
export function insert(head: string, rows: readonly (readonly SqlValue[])[], last = "", tail = ""): string[] {
  const values = rows.map((row) => `(${row.map(literal).join(",")}${last && `,${last}`})`);
  const batches = chunksBySize(values, MAX_STATEMENT_LENGTH - head.length, ({ length }) => length + 1);
  return batches.map((some) => `${head} VALUES ${some.join(",")} ${tail}`);
}

/** The columns of a table, and pairs of values of them: second ones by the first one. */
export interface Pairs {
  table: string;
  columns: readonly [first: string, second: string];
  values: ReadonlyMap<number | Buffer, readonly (number | Buffer)[]>;
}

/** Reads columns of the rows with one of these pairs, in as many statements as their number asks for; none without pairs. */
export function selectPairs(columns: string, pairs: Pairs): string[] {
  return eachOf(pairs, {
    listed: (condition) => `SELECT ${columns} FROM ${pairs.table} t WHERE ${condition}`,
    joined: (wanted, condition) =>
      `SELECT STRAIGHT_JOIN ${columns} FROM ${wanted} JOIN ${pairs.table} t ON ${condition}`,
  });
}

/** Deletes the rows with one of these pairs, likewise. */
export function deletePairs(pairs: Pairs): string[] {
  return eachOf(pairs, {
    listed: (condition) => `DELETE t FROM ${pairs.table} t WHERE ${condition}`,
    joined: (wanted, condition) => `DELETE t FROM ${wanted} STRAIGHT_JOIN ${pairs.table} t ON ${condition}`,
  });
}

/**
 * Many second values of one first value are listed; all the others are looked up one by one, in the order given, by joining
 * them. As `(a, b) IN (...)`, or as conditions joined by OR, not every server finds them by an index, or in a time that only
 * doubles with their number.
 */
function eachOf(
  { columns: [first, second], values }: Pairs,
  statement: { listed(condition: string): string; joined(wanted: string, condition: string): string },
): string[] {
  const statements: string[] = [];
  const others: string[] = [];
  for (const [one, all] of values) {
    if (all.length < MANY) others.push(...all.map((other) => `${literal(one)},${literal(other)}`));
    else {
      for (const some of chunks(all, MAX_COMPARED)) {
        statements.push(statement.listed(`t.${first} = ${literal(one)} AND t.${second} IN ${list(some)}`));
      }
    }
  }
  for (const [named = "", ...some] of chunks(others, MAX_JOINED)) {
    const [one, other] = named.split(",");
    const rows = [`${one} AS one, ${other} AS other`, ...some].join(" UNION ALL SELECT ");
    statements.push(statement.joined(`(SELECT ${rows}) w`, `t.${first} = w.one AND t.${second} = w.other`));
  }
  return statements;
}
