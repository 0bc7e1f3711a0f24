import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

import test, { type ExecutionContext } from "ava";

import type { Family, Leaf } from "./family.js";
import { startProcess } from "./process.js";

const FAMILY = new URL("family.ts", import.meta.url);

async function startLeaf(t: ExecutionContext) {
  const child = await startProcess<Leaf>(FAMILY, { args: ["leaf"] });
  t.teardown(() => child.kill());
  return child;
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

test("call › passes arguments and results, undefined and Map among them", async (t) => {
  const child = await startLeaf(t);

  t.deepEqual(await child.call("echo", undefined, new Map([["a", 1n]])), [undefined, new Map([["a", 1n]])]);
});

test("call › rejects with the message and code of what the child threw, and the child goes on", async (t) => {
  const child = await startLeaf(t);

  await t.throwsAsync(child.call("fail"), { message: "no", code: "E_NO" });

  t.deepEqual(await child.call("echo", 1), [1]);
});

test("call › rejects with the child's output if the child ends meanwhile, or is gone", async (t) => {
  const child = await startLeaf(t);

  await t.throwsAsync(child.call("crash"), { message: /exit code 7[^]*about to crash/ });

  await t.throwsAsync(child.call("echo"), { message: /exit code 7/ });
});

test("startProcess › rejects with the output of a child that ends before it is ready", async (t) => {
  await t.throwsAsync(startProcess(FAMILY, { args: ["early"] }), { message: /exit code 1[^]*cannot begin/ });
});

test("a child process and a Redis die with the process that started them, even if that is killed", async (t) => {
  const family = await startProcess<Family>(FAMILY);
  t.teardown(() => family.kill());
  const { redisPort, childPort } = await family.call("start");
  t.true(await isListening(redisPort));
  t.true(await isListening(childPort));

  await family.kill();

  const deadline = Date.now() + 10_000;
  while (((await isListening(redisPort)) || (await isListening(childPort))) && Date.now() < deadline) await sleep(50);
  t.false(await isListening(redisPort));
  t.false(await isListening(childPort));
});
