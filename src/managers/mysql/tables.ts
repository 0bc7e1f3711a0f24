import { checkPrefix } from "./options.js";

/** The version of the tables' layout, which their comments tell. */
export const LAYOUT = "globalchannel layout 1";

/** For how long changes are kept for those who watch, in seconds: longer than any call may take. */
export const CHANGES_SECONDS = 60;

/** The names of the tables, quoted. */
export interface Tables {
  /** One row for each frontend that has, or lately had, members: the lock of all its member sets, and the last change there. */
  frontends: string;
  /** One row for each member set that is not empty. */
  sets: string;
  members: string;
  /** Member sets of destroyed channels whose members have not all been told of yet. */
  destroyed: string;
  /** The changes of the last minute, for those who watch. */
  changes: string;
  /** Who is connected where. */
  sessions: string;
}

const NAMES = ["frontends", "sets", "members", "destroyed", "changes", "sessions"] as const;

export function tables(prefix: string): Tables {
  return Object.fromEntries(NAMES.map((name) => [name, `\`${prefix}_${name}\``])) as unknown as Tables;
}

/** The names of the tables as the database lists them. */
export function tableNames(prefix: string): string[] {
  return NAMES.map((name) => `${prefix}_${name}`);
}

/** What is compared, byte for byte: names are longer than a key of InnoDB may be, and equal to others in most collations. */
const KEY = "BINARY(32) NOT NULL";
/** What is shown: a name has at most 1,024 bytes, so never more characters. */
const NAME = "VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL";
const ID = "BIGINT UNSIGNED NOT NULL";

/** What creates the tables that are missing, statement by statement. */
export function createTables(prefix: string): string[] {
  const { frontends, sets, members, destroyed, changes, sessions } = tables(prefix);
  const create = (table: string, ...columns: string[]): string =>
    `CREATE TABLE IF NOT EXISTS ${table} (\n  ${columns.join(",\n  ")}\n) ENGINE = InnoDB ROW_FORMAT = DYNAMIC COMMENT = '${LAYOUT}'`;
  return [
    create(
      frontends,
      `sid_key ${KEY} PRIMARY KEY`,
      `sid ${NAME}`,
      `began ${ID} COMMENT 'the number before that of the first change'`,
      `seq ${ID} COMMENT 'the number of the last change'`,
      "changed_at INT UNSIGNED NOT NULL COMMENT 'in seconds since 1970'",
    ),
    create(
      sets,
      `id ${ID} PRIMARY KEY COMMENT 'the epoch of its versions'`,
      `name_key ${KEY}`,
      `sid_key ${KEY}`,
      `name ${NAME}`,
      `sid ${NAME}`,
      `counter ${ID}`,
      "members INT UNSIGNED NOT NULL",
      "UNIQUE KEY by_name (name_key, sid_key)",
      "KEY by_sid (sid_key)",
    ),
    create(
      members,
      `set_id ${ID}`,
      `uid_key ${KEY}`,
      `uid ${NAME}`,
      "PRIMARY KEY (set_id, uid_key)",
      "KEY by_user (uid_key)",
    ),
    create(
      destroyed,
      `set_id ${ID} PRIMARY KEY`,
      `name ${NAME}`,
      `sid ${NAME}`,
      "destroyed_at INT UNSIGNED NOT NULL COMMENT 'in seconds since 1970'",
    ),
    create(
      changes,
      `sid_key ${KEY}`,
      `seq ${ID}`,
      "token BINARY(16) NOT NULL COMMENT 'when it was made, and by which transaction'",
      `name ${NAME}`,
      "version VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin",
      "type VARCHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL",
      "reason VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL",
      "uids MEDIUMBLOB NOT NULL COMMENT 'JSON'",
      "made_at INT UNSIGNED NOT NULL COMMENT 'in seconds since 1970'",
      "PRIMARY KEY (sid_key, seq)",
      "KEY by_age (made_at)",
    ),
    create(
      sessions,
      `uid_key ${KEY}`,
      `sid_key ${KEY}`,
      `uid ${NAME}`,
      `sid ${NAME}`,
      `incarnation ${NAME}`,
      "PRIMARY KEY (uid_key, sid_key)",
      "KEY by_sid (sid_key)",
    ),
  ];
}

/**
 * The tables of a {@link MysqlChannelManager} as SQL, for those who let a migration create them (`createTables: false`).
 * Running it again changes nothing.
 *
 * @param prefix what their names begin with
 * @throws `GC_INVALID_ARGUMENT`
 */
export function mysqlTables(prefix = "gc"): string {
  return createTables(checkPrefix("prefix", prefix))
    .map((statement) => `${statement};\n`)
    .join("\n");
}
