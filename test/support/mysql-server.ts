import { createHash, randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";

import { createConnection } from "mysql2/promise";

import { findMysql, type FoundMysql } from "./find-mysql.js";
import { end, expectOutput, isReadable, isRunning, Keeper, randomPort, type Child } from "./programs.js";

const HOST = "127.0.0.1";

const START_ATTEMPTS = 5;

const START_TIMEOUT_MS = 60_000;

/** What a data folder is made with, too. `loose`: not every server knows it. */
const OPTIONS = [
  // Has to be the first. Nothing is read of what the machine's own server is set up with.
  "--no-defaults",
  ...(process.getuid?.() === 0 ? ["--user=root"] : []),
  "--skip-name-resolve",
  "--skip-log-bin",
  // The log is small, to start quickly: it is what is written to disk, and copied. The pool is as large as by default.
  "--loose-innodb-log-file-size=32M",
  "--loose-innodb-buffer-pool-size=128M",
  "--loose-aria-pagecache-buffer-size=8M",
  "--loose-performance-schema=OFF",
  // With it, some containers refuse the second server.
  "--loose-innodb-use-native-aio=OFF",
];

const SERVER_OPTIONS = [
  `--bind-address=${HOST}`,
  // In the data folder. A name, since the path of a socket may be no longer than 107 characters.
  "--socket=socket",
  // What is committed outlives a kill. This is the default as well.
  "--innodb-flush-log-at-trx-commit=1",
  // The second protocol of MySQL, with a port of its own.
  "--loose-mysqlx=OFF",
];

/** What else the data folder of a MariaDB is made with: root needs no password. */
const INSTALLER_OPTIONS = ["--auth-root-authentication-method=normal", "--skip-test-db"];

/** MySQL makes only root@localhost, which nobody is who comes over TCP while names are not resolved. */
const MYSQL_ROOT = `CREATE USER root@'${HOST}';\nGRANT ALL ON *.* TO root@'${HOST}' WITH GRANT OPTION;\n`;

/** Data folders to copy, by what they were made with. */
const TEMPLATES = fileURLToPath(new URL("../../node_modules/.cache/globalchannel-mysql", import.meta.url));

export interface StartOptions {
  /** Further arguments of the server program, e.g. `["--max-connections=5"]`. */
  args?: readonly string[];
}

/**
 * Starts an empty MariaDB or MySQL on 127.0.0.1, with its data in a temporary folder; undefined if there is no such program
 * on this machine. It dies, and the folder goes, with the process that started it, even if that is killed;
 * {@link MysqlServer.stop} it all the same, since a process does not end by itself while it has one.
 */
export async function startMysql({ args = [] }: StartOptions = {}): Promise<MysqlServer | undefined> {
  const program = await findMysql();
  if (!program) return undefined;
  const folder = await mkdtemp(join(tmpdir(), "globalchannel-mysql-"));
  const keeper = new Keeper(folder, draftOf(folder));
  try {
    await makeData(program, keeper);
    for (let attempt = 1; ; attempt++) {
      const port = randomPort();
      const server = new MysqlServer(program, keeper, port, args);
      try {
        await server.restart();
        return server;
      } catch (error) {
        // Another process may have taken the port first.
        if (!/already in use|already have another/i.test(String(error)) || attempt === START_ATTEMPTS) throw error;
      }
    }
  } catch (error) {
    await keeper.close();
    throw error;
  }
}

/** A MySQL for tests: the one at `MYSQL_URL` if that is set, otherwise a new one; undefined if there is neither. */
export async function openMysql(): Promise<
  Pick<MysqlServer, "url" | "description" | "createDatabase" | "stop"> | undefined
> {
  const url = process.env["MYSQL_URL"];
  if (!url) return startMysql();
  const databases = new Set<string>();
  return {
    url,
    description: "the MySQL at MYSQL_URL",
    async createDatabase() {
      const database = await createDatabase(url);
      databases.add(database);
      return database;
    },
    async stop() {
      for (const database of databases) {
        await execute(url, `DROP DATABASE IF EXISTS ${new URL(database).pathname.slice(1)}`);
        databases.delete(database);
      }
    },
  };
}

/** A MariaDB or MySQL that this process has started. */
export class MysqlServer {
  readonly host = HOST;
  readonly port: number;
  readonly url: string;
  /** What it is, for people. */
  readonly description: string;
  readonly #program: FoundMysql;
  readonly #keeper: Keeper;
  readonly #args: readonly string[];
  #child: Child | undefined;

  constructor(program: FoundMysql, keeper: Keeper, port: number, args: readonly string[]) {
    this.#program = program;
    this.#keeper = keeper;
    this.#args = args;
    this.port = port;
    this.url = `mysql://root@${HOST}:${port}`;
    this.description = program.description;
  }

  /** The process id, or undefined while it does not run. Stop and continue it to make a MySQL that hangs. */
  get pid(): number | undefined {
    return isRunning(this.#child) ? this.#child.pid : undefined;
  }

  /** Creates an empty database with a name of its own and resolves its URL. */
  createDatabase(): Promise<string> {
    return createDatabase(this.url);
  }

  /** Shuts it down and removes its data; again: does nothing. */
  async stop(): Promise<void> {
    await end(this.#child, "SIGTERM");
    await this.#keeper.close();
  }

  /** Kills it (`SIGKILL`). What was committed is there after {@link MysqlServer.restart}. */
  kill(): Promise<void> {
    return end(this.#child, "SIGKILL");
  }

  /** Starts it again, on the same data and at the same port; shuts it down first if it runs. */
  async restart(): Promise<void> {
    await end(this.#child, "SIGTERM");
    const { binary } = this.#program;
    const args = [...SERVER_OPTIONS, `--port=${this.port}`, ...this.#args];
    this.#child = this.#keeper.start(binary, [...options(this.#keeper.folder), ...args]);
    const ready = new RegExp(`ready for connections[^]*port: ${this.port}\\b`);
    await expectOutput(this.#child, [binary, ...this.#args].join(" "), START_TIMEOUT_MS, ready);
  }
}

function dataOf(folder: string): string {
  return join(folder, "data");
}

/** Where what shall become a template is copied to. */
function draftOf(folder: string): string {
  return join(TEMPLATES, basename(folder));
}

function options(folder: string): string[] {
  return [...OPTIONS, `--datadir=${dataOf(folder)}`, `--tmpdir=${folder}`];
}

/** Makes the data folder of an empty server; or, which takes a fraction of the time, copies one that was made before. */
async function makeData(program: FoundMysql, keeper: Keeper): Promise<void> {
  const made = JSON.stringify([program, OPTIONS, INSTALLER_OPTIONS, MYSQL_ROOT]);
  const template = join(TEMPLATES, createHash("sha256").update(made).digest("hex").slice(0, 16));
  const data = dataOf(keeper.folder);
  if (await isReadable(template)) return copy(keeper, template, data);
  await initialise(program, keeper);
  const draft = draftOf(keeper.folder);
  try {
    await mkdir(TEMPLATES, { recursive: true });
    await copy(keeper, data, draft);
    await rename(draft, template);
  } catch {
    // Another process was first, or nothing can be written there: then each start takes its time.
    await rm(draft, { recursive: true, force: true });
  }
}

/** Makes a data folder whose user root needs no password. */
async function initialise({ binary, installer }: FoundMysql, keeper: Keeper): Promise<void> {
  if (installer !== undefined) {
    const child = keeper.start(installer, [...options(keeper.folder), ...INSTALLER_OPTIONS]);
    await expectOutput(child, installer, START_TIMEOUT_MS);
    return;
  }
  const sql = join(keeper.folder, "root.sql");
  await writeFile(sql, MYSQL_ROOT);
  const child = keeper.start(binary, [...options(keeper.folder), "--initialize-insecure", `--init-file=${sql}`]);
  await expectOutput(child, `${binary} --initialize-insecure`, START_TIMEOUT_MS);
}

/** `cp` takes less than half the time of Node.js. */
async function copy(keeper: Keeper, from: string, to: string): Promise<void> {
  await expectOutput(keeper.start("cp", ["-R", from, to]), `cp -R ${from} ${to}`, START_TIMEOUT_MS);
}

/** Creates an empty database at a server and resolves its URL. */
async function createDatabase(server: string): Promise<string> {
  const url = new URL(server);
  url.pathname = `/test_${randomBytes(8).toString("hex")}`;
  await execute(server, `CREATE DATABASE ${url.pathname.slice(1)}`);
  return url.href;
}

async function execute(url: string, sql: string): Promise<void> {
  const connection = await createConnection(url);
  try {
    await connection.query(sql);
  } finally {
    await connection.end();
  }
}
