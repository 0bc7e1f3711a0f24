import { spawn } from "node:child_process";
import { once } from "node:events";
import { access } from "node:fs/promises";
import { connect } from "node:net";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import anyTest, { type ExecutionContext } from "ava";
import { createConnection, type RowDataPacket } from "mysql2/promise";

import { findMysql } from "./find-mysql.js";
import { openMysql, startMysql, type MysqlServer } from "./mysql-server.js";

const found = await findMysql();
const test = found ? anyTest : anyTest.skip;
const serial = found ? anyTest.serial : anyTest.serial.skip;
if (!found) console.log("There is no MariaDB or MySQL server program: its tests are skipped.");

async function start(t: ExecutionContext, args: readonly string[] = []): Promise<MysqlServer> {
  const mysql = (await startMysql({ args }))!;
  t.teardown(() => mysql.stop());
  return mysql;
}

/** Runs statements on a connection of their own and resolves the first column of the last one's rows. */
async function query(url: string, ...statements: string[]): Promise<unknown[]> {
  const connection = await createConnection({ uri: url, rowsAsArray: true });
  try {
    let rows: unknown = [];
    for (const statement of statements) [rows] = await connection.query<RowDataPacket[]>(statement);
    return Array.isArray(rows) ? rows.map((row: unknown[]) => row[0]) : [];
  } finally {
    await connection.end();
  }
}

/** The temporary folder of a server. */
async function folderOf(url: string): Promise<string> {
  const [data] = await query(url, "SELECT @@datadir");
  return dirname(String(data));
}

function exists(folder: string): Promise<boolean> {
  return access(folder).then(
    () => true,
    () => false,
  );
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

test("startMysql › starts servers that listen on 127.0.0.1 only, each with a port and data of its own", async (t) => {
  const [first, second] = await Promise.all([start(t), start(t)]);

  const url = await first.createDatabase();
  await query(url, "CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1), (2)");

  t.deepEqual(await query(url, "SELECT id FROM t ORDER BY id"), [1, 2]);
  t.deepEqual(await query(first.url, "SELECT @@bind_address"), ["127.0.0.1"]);
  t.not(first.port, second.port);
  t.not(await folderOf(first.url), await folderOf(second.url));
  t.false((await query(second.url, "SHOW DATABASES")).includes(new URL(url).pathname.slice(1)));
});

test("startMysql › passes arguments on and names the ones that do not work", async (t) => {
  const mysql = await start(t, ["--max-connections=17"]);

  t.deepEqual(await query(mysql.url, "SELECT @@max_connections"), [17]);
  await t.throwsAsync(startMysql({ args: ["--nonsense"] }), { message: /--nonsense failed \(exit code/ });
});

test("createDatabase › makes another empty database each time", async (t) => {
  const mysql = await start(t);

  const urls = await Promise.all([mysql.createDatabase(), mysql.createDatabase()]);

  t.not(urls[0], urls[1]);
  for (const url of urls) t.deepEqual(await query(url, "SHOW TABLES"), []);
});

test("restart › brings a killed one back at the same port, with all that was committed and nothing else", async (t) => {
  const mysql = await start(t);
  const url = await mysql.createDatabase();
  await query(url, "CREATE TABLE t (id INT PRIMARY KEY)", "INSERT INTO t VALUES (1)");
  const connection = await createConnection(url);
  connection.on("error", () => {});
  t.teardown(() => connection.destroy());
  await connection.query("START TRANSACTION");
  await connection.query("INSERT INTO t VALUES (2)");

  await mysql.kill();
  t.is(mysql.pid, undefined);
  await mysql.kill();
  await mysql.restart();

  t.not(mysql.pid, undefined);
  t.deepEqual(await query(url, "SELECT id FROM t"), [1]);
});

test("restart › shuts a running one down first", async (t) => {
  const mysql = await start(t);
  const url = await mysql.createDatabase();
  const { pid } = mysql;

  await mysql.restart();

  t.not(mysql.pid, pid);
  t.deepEqual(await query(url, "SHOW TABLES"), []);
});

for (const hangs of [false, true]) {
  test(`stop › leaves no process and no folder${hangs ? ", also of one that hangs" : ""}; again: does nothing`, async (t) => {
    const mysql = await start(t);
    const folder = await folderOf(mysql.url);
    const pid = mysql.pid!;
    if (hangs) process.kill(pid, "SIGSTOP");

    await mysql.stop();
    await mysql.stop();

    t.is(mysql.pid, undefined);
    t.throws(() => process.kill(pid, 0), { code: "ESRCH" });
    t.false(await exists(folder));
    await t.throwsAsync(mysql.restart(), { message: /data is gone/ });
  });
}

test("a MySQL dies with the process that started it, even if that is killed, and leaves no folder", async (t) => {
  const script = `
    const { startMysql } = await import(${JSON.stringify(new URL("mysql-server.ts", import.meta.url).href)});
    console.log((await startMysql()).url);`;
  const child = spawn(process.execPath, ["--import=tsx", "--input-type=module", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.teardown(() => child.kill("SIGKILL"));
  const [url] = (await once(child.stdout.setEncoding("utf8"), "data")) as [string];
  const folder = await folderOf(url.trim());
  const port = Number(new URL(url).port);
  t.true(await exists(folder));

  child.kill("SIGKILL");

  const deadline = Date.now() + 10_000;
  while (((await isListening(port)) || (await exists(folder))) && Date.now() < deadline) await sleep(50);
  t.false(await isListening(port));
  t.false(await exists(folder));
});

serial(
  "openMysql › takes the server at MYSQL_URL and drops what it created there; startMysql never does",
  async (t) => {
    const mysql = await start(t);
    process.env["MYSQL_URL"] = `${mysql.url}/?connectTimeout=5000`;
    t.teardown(() => delete process.env["MYSQL_URL"]);
    const before = await query(mysql.url, "SHOW DATABASES");

    const opened = (await openMysql())!;
    const started = await start(t);
    const url = await opened.createDatabase();
    await opened.createDatabase();
    await query(url, "CREATE TABLE t (id INT PRIMARY KEY)");

    t.not(started.port, mysql.port);
    t.is(opened.url, process.env["MYSQL_URL"]);
    t.is((await query(mysql.url, "SHOW DATABASES")).length, before.length + 2);
    await opened.stop();
    await opened.stop();
    t.deepEqual(await query(mysql.url, "SHOW DATABASES"), before);
  },
);

test("openMysql › starts a server where MYSQL_URL is not set", async (t) => {
  const opened = (await openMysql())!;
  t.teardown(() => opened.stop());

  t.deepEqual(await query(await opened.createDatabase(), "SHOW TABLES"), []);
  t.regex(opened.description, /^(MariaDB|MySQL) \d/);
});
