import { createHash } from "node:crypto";

/*
 * Every value is written into SQL as a number or as hexadecimal bytes, and never as a quoted string: that is safe, and keeps
 * every byte, whatever the SQL mode, the character set and the time zone of a connection that the application has opened.
 */

/** A value of a statement: a whole number, bytes, or nothing. */
export type SqlValue = number | Buffer | null;

/** How long a statement may get before another one is begun. */
const MAX_STATEMENT_LENGTH = 512 * 1024;

/** How many values are compared in one statement: optimizers give up on longer lists. */
const MAX_COMPARED = 2000;

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
  return createHash("sha256").update(name).digest();
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
  const statements: string[] = [];
  let statement = "";
  for (const row of rows) {
    const values = `(${row.map(literal).join(",")}${last && `,${last}`})`;
    if (statement !== "" && statement.length + values.length > MAX_STATEMENT_LENGTH) {
      statements.push(`${statement} ${tail}`);
      statement = "";
    }
    statement += statement === "" ? `${head} VALUES ${values}` : `,${values}`;
  }
  return statement === "" ? statements : [...statements, `${statement} ${tail}`];
}

/**
 * `head` and, as a condition, that the columns are equal to one of these pairs, in as many statements as their number asks
 * for; none without pairs. Not `(a, b) IN (...)`: not every server finds those by an index.
 */
export function wherePair(
  head: string,
  [first, second]: readonly [string, string],
  pairs: ReadonlyMap<number | Buffer, readonly (number | Buffer)[]>,
): string[] {
  const statements: string[] = [];
  let conditions: string[] = [];
  let compared = 0;
  const flush = (): void => {
    if (compared > 0) statements.push(`${head} WHERE ${conditions.join(" OR ")}`);
    conditions = [];
    compared = 0;
  };
  for (const [one, others] of pairs) {
    for (let start = 0; start < others.length;) {
      const some = others.slice(start, start + MAX_COMPARED - compared);
      conditions.push(`(${first} = ${literal(one)} AND ${second} IN ${list(some)})`);
      start += some.length;
      compared += some.length;
      if (compared === MAX_COMPARED) flush();
    }
  }
  flush();
  return statements;
}
