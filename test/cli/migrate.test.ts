import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { Redis } from "ioredis";
import { startRedis } from "../support/redis-server.js";
import { OldDeployment } from "../redis/old-deployment.js";
import { MAIN, ROOT, type Running, start } from "./program.js";

const FROM = "POMELO:CHANNEL";
const UNREACHABLE = "redis://:hunter2@127.0.0.1:1";
/** How long the program may take to come to a point. */
const PATIENCE_MS = 30_000;

async function setUp(t: ExecutionContext, serverArgs: readonly string[] = []) {
  const server = await startRedis({ args: serverArgs });
  t.teardown(() => server.stop());
  const client = new Redis(server.url);
  client.on("error", () => {});
  t.teardown(() => client.disconnect());
  return { server, url: server.url, client };
}

async function withOldMembers(t: ExecutionContext) {
  const { server, url, client } = await setUp(t);
  const old = await OldDeployment.start(server);
  t.teardown(() => old.stop());
  await old.add("guild:7", "ann", "connector-1");
  await old.add("guild:7", 42, "connector-2");
  return { url, client };
}

/** Writes so many members that copying them takes a while. */
async function withMany(t: ExecutionContext) {
  const { server, url, client } = await setUp(t);
  await client.eval("for i = 1, 100000 do redis.call('SADD', KEYS[1], 'user-' .. i) end", 1, `${FROM}:world:s1`);
  return { server, url, client, copied: () => client.scard("gc:{world}:m:s1") };
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error("it takes too long");
    await sleep(5);
  }
}

test("migrate › copies and says so in a line on stdout, nothing on stderr", async (t) => {
  const { url, client } = await withOldMembers(t);

  const run = start(t, [...MAIN, "migrate", "--from", FROM, "--redis", url]);

  t.is(await run.exitCode, 0, run.stderr);
  t.regex(
    run.stdout,
    /^POMELO:CHANNEL has 2 members of 1 channel \(2 member sets\): 2 added to gc, the others were there, in [\d.]+ s\.\n$/,
  );
  t.is(run.stderr, "");
  t.deepEqual(await client.smembers("gc:{guild:7}:m:connector-2"), ["42"]);
});

test("migrate --json › prints the report, with what was skipped, and the prefix may be chosen", async (t) => {
  const { url, client } = await withOldMembers(t);
  await client.set(`${FROM}:x:y`, "z");
  const args = [...MAIN, "migrate", `--from=${FROM}`, "--prefix", "game", "--json"];

  const run = start(t, args, { env: { REDIS_URL: url } });

  t.is(await run.exitCode, 0, run.stderr);
  const report = JSON.parse(run.stdout) as Record<string, unknown>;
  t.like(report, { sets: 2, channels: 1, members: 2, added: 2 });
  t.deepEqual(report["skipped"], {
    otherTypes: 1,
    otherKeys: 0,
    names: 0,
    uids: 0,
    examples: [`"${FROM}:x:y": it is of type string`],
  });
  t.is(run.stderr, "");
  t.deepEqual(await client.smembers("game:{guild:7}:m:connector-1"), ["ann"]);
});

test("migrate › says what was skipped, and why", async (t) => {
  const { url, client } = await withOldMembers(t);
  await client.set(`${FROM}:x:y`, "z");
  await client.sadd(`${FROM}:guild:s1`, "é".repeat(513));

  const run = start(t, [...MAIN, "migrate", "--from", FROM, "--redis", url]);

  t.is(await run.exitCode, 0, run.stderr);
  t.regex(run.stdout, /\nSkipped: 1 key of other types, 1 member with refused uids, such as\n {2}".*\n {2}".*\n$/);
});

for (const [args, message] of [
  [[], "Usage: globalchannel"],
  [["nonsense"], "unknown command 'nonsense'"],
  [["migrate"], "required option '--from <prefix>' not specified"],
  [["migrate", "--from", "x"], "required option '--redis <url>' not specified"],
  [["migrate", "--from", "x", "--redis", UNREACHABLE, "--nonsense"], "unknown option '--nonsense'"],
  [["migrate", "--from", "x", "--redis", UNREACHABLE, "more"], "too many arguments"],
  [["migrate", "--from", "", "--redis", UNREACHABLE], 'from is ""'],
  [["migrate", "--from", "gc", "--redis", UNREACHABLE], 'prefix is "gc"'],
  [["migrate", "--from", "x", "--prefix", "a*", "--redis", UNREACHABLE], 'prefix is "a*"'],
  [["migrate", "--from", "x", "--redis", "http://:hunter2@h"], "must begin with redis://"],
  [["migrate", "--from", "x", "--redis", `${"hunter2".repeat(20)}@h`], "must begin with redis://"],
  [["migrate", "--from", "x", "--redis", "redis://:hunter2@"], "must be a URL"],
  [["migrate", `--reds=${UNREACHABLE}`, "--from", "x", "--redis", UNREACHABLE], "unknown option '--reds=redis://***@"],
  [[UNREACHABLE], "unknown command"],
] as const) {
  test.serial(`${args.join(" ") || "nothing"} › is wrong usage`, async (t) => {
    const run = start(t, [...MAIN, ...args]);

    t.is(await run.exitCode, 2);

    t.true(run.stderr.includes(message), run.stderr);
    t.notRegex(run.stderr, /hunter2|\n +at /);
    t.is(run.stdout, "");
  });
}

test("--help, migrate --help and --version › say what there is", async (t) => {
  const [help, migrateHelp, version] = [["--help"], ["migrate", "--help"], ["--version"]].map((args) =>
    start(t, [...MAIN, ...args]),
  );
  const manifest = JSON.parse(readFileSync(`${ROOT}/package.json`, "utf8")) as { version: string };

  for (const run of [help!, migrateHelp!, version!]) t.is(await run.exitCode, 0, run.stderr);

  t.regex(help!.stdout, /migrate .*Copies/);
  t.regex(migrateHelp!.stdout, /Example:\n {2}globalchannel migrate --from POMELO:CHANNEL --redis redis:/);
  for (const { stdout } of [help!, migrateHelp!]) t.regex(stdout, /Exit codes: 0 done, 1 failed, 2 wrong usage/);
  t.is(version!.stdout, `${manifest.version}\n`);
});

for (const options of [[], ["--json"]]) {
  test(`migrate ${options.join(" ")} › fails if Redis cannot be reached, without its password or a stack trace`, async (t) => {
    const run = start(t, [...MAIN, "migrate", "--from", FROM, "--redis", UNREACHABLE, ...options]);

    t.is(await run.exitCode, 1);

    t.regex(run.stderr, /^error: Redis cannot be reached: .*ECONNREFUSED[^\n]*\n$/);
    t.notRegex(run.stderr, /hunter2/);
    t.is(run.stdout, "");
  });
}

test("migrate › shows no password that Redis refuses", async (t) => {
  const { server } = await setUp(t, ["--requirepass", "secret"]);
  const url = `redis://:hunter2@${server.host}:${server.port}`;

  const run = start(t, [...MAIN, "migrate", "--from", FROM, "--redis", url]);

  t.is(await run.exitCode, 1);
  t.regex(run.stderr, /^error: .*(WRONGPASS|password).*\n$/);
  t.notRegex(run.stderr, /hunter2/);
});

for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  test.serial(`migrate › ${signal} ends it cleanly, and running it again goes on`, async (t) => {
    const { url, client, copied } = await withMany(t);
    const run = start(t, [...MAIN, "migrate", "--from", FROM, "--redis", url]);
    await until(async () => (await copied()) > 0);

    run.child.kill(signal);

    t.is(await run.exitCode, code, run.stderr);
    t.is(run.stdout + run.stderr, "");
    const count = await copied();
    t.true(count < 100_000);
    t.is(
      String(await client.client("LIST"))
        .trim()
        .split("\n").length,
      1,
    );
    const again = start(t, [...MAIN, "migrate", "--from", FROM, "--redis", url, "--json"]);
    t.is(await again.exitCode, 0, again.stderr);
    t.is((JSON.parse(again.stdout) as { added: number }).added, 100_000 - count);
  });
}

test.serial("migrate › SIGINT ends it soon also if Redis hangs", async (t) => {
  const { server, url, copied } = await withMany(t);
  const run = start(t, [...MAIN, "migrate", "--from", FROM, "--redis", url]);
  await until(async () => (await copied()) > 0);
  process.kill(server.pid!, "SIGSTOP");

  run.child.kill("SIGINT");

  t.is(await run.exitCode, 130, run.stderr);
  t.is(run.stdout + run.stderr, "");
});

/** The `script` of util-linux runs a program in a pseudo terminal; others of that name take other arguments. */
function canMakeTerminal(): boolean {
  try {
    return execFileSync("script", ["--version"], { encoding: "utf8" }).includes("util-linux");
  } catch {
    return false;
  }
}

const inTerminal = canMakeTerminal() ? test.serial : test.serial.skip;
/** What ora writes first and last: it hides the cursor, and shows it again. */
const [HIDE_CURSOR, SHOW_CURSOR] = ["\u001B[?25l", "\u001B[?25h"];

function startInTerminal(t: ExecutionContext, args: readonly string[], columns = 80): Running {
  const command = [process.execPath, ...MAIN, ...args].map((part) => `'${part}'`).join(" ");
  return start(t, ["-qec", `stty cols ${columns}; exec ${command}`, "/dev/null"], { program: "script" });
}

inTerminal("migrate › shows progress in a terminal, then the result only", async (t) => {
  const { url } = await withMany(t);

  const run = startInTerminal(t, ["migrate", "--from", FROM, "--redis", url]);

  t.is(await run.exitCode, 0, run.stdout);
  t.true(run.stdout.includes(HIDE_CURSOR));
  t.regex(run.stdout, /1 key, [\d,]+ members, [\d,]+ added/);
  const shown = run.stdout.slice(run.stdout.indexOf(SHOW_CURSOR));
  t.regex(shown, /has 100,000 members of 1 channel \(1 member set\): 100,000 added to gc/);
});

inTerminal("migrate › shows no progress in a terminal without a width", async (t) => {
  const { url } = await withOldMembers(t);

  const run = startInTerminal(t, ["migrate", "--from", FROM, "--redis", url], 0);

  t.is(await run.exitCode, 0);
  t.regex(run.stdout, /^POMELO:CHANNEL has 2 members/);
});

inTerminal("migrate --json › shows no progress in a terminal", async (t) => {
  const { url } = await withOldMembers(t);

  const run = startInTerminal(t, ["migrate", "--from", FROM, "--redis", url, "--json"]);

  t.is(await run.exitCode, 0, run.stdout);
  t.false(run.stdout.includes("\u001B"));
  t.is((JSON.parse(run.stdout) as { added: number }).added, 2);
});

inTerminal("migrate › Ctrl-C in a terminal ends it and shows the cursor again", async (t) => {
  const { url, copied } = await withMany(t);
  const run = startInTerminal(t, ["migrate", "--from", FROM, "--redis", url]);
  await until(async () => (await copied()) > 0);

  run.child.stdin?.write("\u0003");

  t.is(await run.exitCode, 130, run.stdout);
  t.true(run.stdout.lastIndexOf(SHOW_CURSOR) > run.stdout.lastIndexOf(HIDE_CURSOR));
  t.true((await copied()) < 100_000);
});
