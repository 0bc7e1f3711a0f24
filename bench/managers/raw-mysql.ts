import { createPool, type Pool, type ResultSetHeader, type RowDataPacket } from "mysql2/promise";
import type { Membership } from "../../src/types.js";
import type { Contender } from "./contender.js";

/**
 * What MySQL can do on this machine: one statement for each call, which is a transaction of its own, on the 10 connections
 * that a pool of `mysql2` has by default (more were slower). No versions, nobody is told.
 */
export class RawMysql implements Contender {
  readonly #pool: Pool;

  constructor(url: string) {
    this.#pool = createPool(url);
  }

  async start(): Promise<void> {
    const column = "VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL";
    await this.#pool.query(
      `CREATE TABLE raw (name ${column}, sid ${column}, uid ${column}, PRIMARY KEY (name, sid, uid)) ENGINE = InnoDB`,
    );
  }

  async add(name: string, uid: string, sid: string): Promise<boolean> {
    return (await this.#affect("INSERT IGNORE INTO raw (name, sid, uid) VALUES (?, ?, ?)", [name, sid, uid])) === 1;
  }

  async leave(name: string, uid: string, sid: string): Promise<boolean> {
    return (await this.#affect("DELETE FROM raw WHERE name = ? AND sid = ? AND uid = ?", [name, sid, uid])) === 1;
  }

  /** One statement, in the order of the index. */
  async addMany(memberships: readonly Membership[]): Promise<number> {
    const rows = memberships.map(({ name, sid, uid }) => [name, sid, uid]);
    const [{ affectedRows }] = await this.#pool.query<ResultSetHeader>("INSERT INTO raw (name, sid, uid) VALUES ?", [
      rows,
    ]);
    return affectedRows;
  }

  async getMembersBySid(name: string, sid: string): Promise<string[]> {
    const sql = "SELECT uid FROM raw WHERE name = ? AND sid = ?";
    const [rows] = await this.#pool.query<RowDataPacket[][]>({ sql, rowsAsArray: true }, [name, sid]);
    return rows.map(([uid]) => uid as unknown as string);
  }

  destroyChannel(name: string): Promise<number> {
    return this.#affect("DELETE FROM raw WHERE name = ?", [name]);
  }

  async #affect(sql: string, values: string[]): Promise<number> {
    const [{ affectedRows }] = await this.#pool.execute<ResultSetHeader>(sql, values);
    return affectedRows;
  }
}
