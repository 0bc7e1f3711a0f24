import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { Producer } from "../../src/adapters/snapper/producer/producer.js";
import { connectConsumer, range } from "../adapters/snapper/broker-support.js";
import { startProducer } from "../adapters/snapper/support.js";
import { until } from "../connectors/websocket-support.js";
import { startRedis } from "../support/redis-server.js";
import { TcpProxy } from "../support/tcp-proxy.js";
import { MAIN, type Running, start } from "./program.js";

const UNREACHABLE = "redis://:hunter2@127.0.0.1:1";
const SECRET = "the first secret";
const OLD_SECRET = "the one of before";
const LINE =
  /^The broker listens at port (\d+) for consumers and at port (\d+) for producers(?: of [\d.]+)?, (.*)\.\n$/;

/** How long it may take to listen, beside other tests. */
const PATIENCE_MS = 60_000;

/** A file with this text. */
async function fileWith(t: ExecutionContext, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "globalchannel-broker-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = join(folder, "secrets.txt");
  await writeFile(file, text);
  return file;
}

function secretsFile(t: ExecutionContext): Promise<string> {
  return fileWith(t, `${SECRET}\n\n${OLD_SECRET}\r\n`);
}

/** Runs it on any free ports. */
function run(t: ExecutionContext, file: string, ...args: string[]): Running {
  return start(t, [...MAIN, "broker", "--port", "0", "--rpc-port", "0", "--secret-file", file, ...args]);
}

/** Runs it, and waits until it listens. */
async function listen(t: ExecutionContext, file: string, ...args: string[]) {
  const running = run(t, file, ...args);
  await until(() => running.stdout !== "" || running.child.exitCode !== null, PATIENCE_MS);
  const [, port, rpcPort, where] = LINE.exec(running.stdout) ?? [];
  if (where === undefined) throw new Error(running.stdout + running.stderr);
  return { running, port: Number(port), rpcPort: Number(rpcPort), where };
}

test.serial("broker › without Redis it runs in memory and says so, and SIGINT ends it with 0", async (t) => {
  const { running, port, rpcPort, where } = await listen(t, await secretsFile(t), "--host", "127.0.0.1");
  const producer = startProducer(t, rpcPort, { secretKeys: [OLD_SECRET] });
  const consumer = await connectConsumer(t, port, { token: producer.signAuth({ userId: "ann" }) });

  t.is(await producer.joinRoom("room", consumer.id), 1);
  await producer.publish("room", '"hello"');

  await until(() => consumer.messages.length === 1);
  t.deepEqual(consumer.messages, ["hello"]);
  consumer.stayAway();
  t.is(where, "in memory: it is the only one, and what waits for consumers ends with it");
  running.child.kill("SIGINT");
  t.is(await running.exitCode, 0, running.stderr);
  t.is(running.stderr, "");
});

test.serial(
  "broker › of two on a Redis one gets SIGTERM in the middle: it ends with 0, and the other one delivers the rest",
  async (t) => {
    const redis = await startRedis();
    t.teardown(() => redis.stop());
    const file = await secretsFile(t);
    const args = ["--redis", redis.url, "--prefix", "game"];
    const [first, second] = await Promise.all([listen(t, file, ...args), listen(t, file, ...args)]);
    let now = first;
    const [consumers, producers] = await Promise.all([
      TcpProxy.start(() => now.port),
      TcpProxy.start(() => now.rpcPort),
    ]);
    t.teardown(() => Promise.all([consumers.stop(), producers.stop()]));
    const producer = startProducer(t, producers.port, { secretKeys: [SECRET] });
    const { id, messages } = await connectConsumer(t, consumers.port, { token: producer.signAuth({ userId: "ann" }) });
    await producer.joinRoom("room", id);
    const sent = range(600);

    for (const message of sent) {
      producer.sendMessage("room", String(message));
      if (message === 200) {
        now = second;
        first.running.child.kill("SIGTERM");
      }
      await sleep(1);
    }

    await until(() => messages.length >= sent.length);
    t.deepEqual(messages, sent);
    t.is(await first.running.exitCode, 0, first.running.stderr);
    t.is(first.where, `with ${redis.url}, prefix game`);
    t.is(first.running.stderr, "");
  },
);

test.serial("broker › a second signal ends it at once, where the first one takes long", async (t) => {
  const redis = await startRedis();
  t.teardown(() => redis.stop());
  const { running } = await listen(t, await secretsFile(t), "--redis", redis.url);
  process.kill(redis.pid!, "SIGSTOP");

  running.child.kill("SIGTERM");
  await sleep(100);
  running.child.kill("SIGTERM");

  t.is(await running.exitCode, 143, running.stderr);
});

test.serial("broker › takes keys in PEM from one file, with what stands between them", async (t) => {
  const keys = ["prime256v1", "prime256v1"].map((namedCurve) => generateKeyPairSync("ec", { namedCurve }));
  const publicKeys = keys.map(({ publicKey }) => String(publicKey.export({ type: "spki", format: "pem" })));
  const parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
  const file = await fileWith(t, `of this year\n${publicKeys[0]!}\n${parameters}${publicKeys[1]!}`);
  const { rpcPort } = await listen(t, file, "--algorithm", "ES256");

  for (const { privateKey } of keys) {
    const secretKeys = privateKey.export({ type: "pkcs8", format: "pem" });
    const producer = startProducer(t, rpcPort, { secretKeys, algorithm: "ES256" });
    t.deepEqual(await producer.request("echo", [1]), [1]);
  }
});

test.serial("broker › tells of errors in single lines, not of each one that comes", async (t) => {
  const { running, port, rpcPort } = await listen(t, await secretsFile(t));
  const producer = new Producer(rpcPort, { producerId: "tests", secretKeys: "another", maxReconnectDelayMs: 10 });
  producer.on("error", () => {});
  t.teardown(() => producer.close());

  for (let i = 0; i < 50; i++) await fetch(`http://127.0.0.1:${port}/websocket/?token=nonsense`);

  await until(() => running.stderr !== "");
  const lines = running.stderr.trimEnd().split("\n");
  for (const line of lines)
    t.regex(line, /^\d{4}-\d\d-\d\dT[\d:.]+Z error: (a client from .* is refused: )?the token /);
  t.true(lines.length < 25, running.stderr);
});

for (const [what, text, args, message] of [
  ["a file that is not there", undefined, [], /^error: --secret-file cannot be read: ENOENT: .*nowhere/],
  ["an empty file", " \n\n", [], /^error: --secret-file .* has no secret: one a line\n$/],
  [
    "a file without a key",
    SECRET,
    ["--algorithm", "RS256"],
    /^error: --secret-file .* has no key in PEM, as RS256 needs it\n$/,
  ],
  [
    "a key for a secret",
    "-----BEGIN PUBLIC KEY-----",
    [],
    /^error: --secret-file .*secrets.txt: .* is a key in PEM, which is no secret/,
  ],
  ["an address of another machine", SECRET, ["--host", "192.0.2.1"], /^error: listen EADDRNOTAVAIL: .*192\.0\.2\.1/],
  [
    "a Redis out of reach",
    SECRET,
    ["--redis", UNREACHABLE],
    /^error: Redis cannot be reached: .*ECONNREFUSED[^\n]*\n$/,
  ],
] as const) {
  test.serial(`broker › ${what} is an error in one line, and its exit code is 1`, async (t) => {
    const file = text === undefined ? "nowhere" : await fileWith(t, text);

    const running = run(t, file, ...args);

    t.is(await running.exitCode, 1, running.stderr);
    t.regex(running.stderr, message);
    t.notRegex(running.stderr, /hunter2|the first secret|\n +at /);
    t.is(running.stdout, "");
  });
}

for (const option of ["--port", "--rpc-port"]) {
  test.serial(`broker › ${option} that is in use is an error in one line, and its exit code is 1`, async (t) => {
    const server = createServer().listen(0);
    t.teardown(() => server.close());
    await once(server, "listening");
    const { port } = server.address() as { port: number };

    const running = run(t, await secretsFile(t), option, String(port));

    t.is(await running.exitCode, 1, running.stderr);
    t.regex(running.stderr, new RegExp(`^error: listen EADDRINUSE: .*${port}\\n$`));
    t.is(running.stdout, "");
  });
}

test.serial("broker › shows no password of Redis, in what it says or where Redis refuses it", async (t) => {
  const redis = await startRedis({ args: ["--requirepass", "hunter2"] });
  t.teardown(() => redis.stop());
  const file = await secretsFile(t);
  const url = (password: string): string => `redis://:${password}@${redis.host}:${redis.port}`;

  const { where } = await listen(t, file, "--redis", url("hunter2"));
  const refused = run(t, file, "--redis", url("hunter3"));

  t.is(where, `with redis://***@${redis.host}:${redis.port}, prefix gc`);
  t.is(await refused.exitCode, 1);
  t.regex(refused.stderr, /^error: .*(WRONGPASS|password).*\n$/);
  t.notRegex(refused.stderr, /hunter/);
});

test.serial("broker › without --secret-file, or with what there is not, it is wrong usage", async (t) => {
  const [none, more, help] = [
    ["broker"],
    ["broker", "--secret-file", "x", "--secret", SECRET],
    ["broker", "--help"],
  ].map((args) => start(t, [...MAIN, ...args]));

  t.is(await none!.exitCode, 2);
  t.regex(none!.stderr, /required option '--secret-file <file>' not specified/);
  t.is(await more!.exitCode, 2);
  t.regex(more!.stderr, /unknown option '--secret'/);
  t.is(await help!.exitCode, 0);
  t.regex(help!.stdout, /Example:\n {2}globalchannel broker --secret-file/);
});

for (const [args, message] of [
  [["--algorithm", "HS1"], /argument 'HS1' is invalid\. .*it must be one of HS256, /],
  [["--port", "7701a"], /argument '7701a' is invalid\. It must be a number from 0 to 65535\./],
  [["--rpc-port", "65536"], /argument '65536' is invalid\. It must be a number/],
] as const) {
  test.serial(`broker › ${args.join(" ")} is wrong usage`, async (t) => {
    const running = run(t, await secretsFile(t), ...args);

    t.is(await running.exitCode, 2, running.stderr);
    t.regex(running.stderr, message);
    t.is(running.stdout, "");
  });
}
