import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import {
  channelManagerConformance,
  missingCapabilities,
  rpcTransportConformance,
  serverRegistryConformance,
} from "../../src/conformance/index.js";
import { checkName } from "../../src/arguments.js";
import { AWKWARD_NAMES } from "../../src/conformance/samples.js";
import { MemoryChannelManager } from "../../src/managers/memory.js";
import { MemoryServerRegistry } from "../../src/registries/memory.js";
import type { ChannelManager } from "../../src/types.js";

const managerCases = channelManagerConformance();

/** What every manager must have, and nothing else. */
class BareManager implements ChannelManager {
  readonly #sound = new MemoryChannelManager();
  async add(name: string, uid: string, sid: string): Promise<boolean> {
    return this.#sound.add(name, uid, sid);
  }
  async leave(name: string, uid: string, sid: string): Promise<boolean> {
    return this.#sound.leave(name, uid, sid);
  }
  async getMembersBySid(name: string, sid: string): Promise<string[]> {
    return this.#sound.getMembersBySid(name, sid);
  }
  async destroyChannel(name: string): Promise<number> {
    return this.#sound.destroyChannel(name);
  }
}

/** The first case of a topic. */
function caseOf(topic: string) {
  const found = managerCases.find(({ name }) => name.startsWith(`${topic} › `));
  if (!found) throw new Error(`no case of ${topic}`);
  return found;
}

for (const [contract, cases] of [
  ["manager", managerCases],
  ["registry", serverRegistryConformance()],
  ["transport", rpcTransportConformance()],
] as const) {
  test(`${contract} › each case has a sentence of its own`, (t) => {
    const names = cases.map(({ name }) => name);

    t.is(new Set(names).size, names.length);
    for (const name of names) t.regex(name, /^[\w, ]+ › [^›]+$/);
  });
}

test("samples › each is a name that a service lets through, and is there once", (t) => {
  for (const name of AWKWARD_NAMES) t.notThrows(() => checkName("name", name));
  t.is(new Set(AWKWARD_NAMES).size, AWKWARD_NAMES.length);
});

test("run › breaks connections as the harness does, and does without where it cannot", async (t) => {
  let breaks = 0;
  const manager = new BareManager();
  const interruption = managerCases.find(({ name }) => name.startsWith("interruption › destroyChannel"))!;

  await interruption.run(() => ({ open: () => manager }));
  await interruption.run(() => ({ open: () => manager, interrupt: () => void breaks++ }));

  t.true(breaks > 0);
});

test("missingCapabilities › tells which of those that a case requires a manager lacks", (t) => {
  const requires = ["versions", "bulk"] as const;

  t.deepEqual(missingCapabilities({ requires }), ["versions", "bulk"]);
  t.deepEqual(missingCapabilities({ requires }, { bulk: true, versions: false }), ["versions"]);
  t.deepEqual(missingCapabilities({ requires }, { bulk: true, versions: true }), []);
  t.deepEqual(missingCapabilities({}), []);
});

for (const c of managerCases.filter((conformanceCase) => missingCapabilities(conformanceCase).length === 0)) {
  const manager = new BareManager();
  test(`bare manager › ${c.name}`, (t) => t.notThrowsAsync(c.run(() => ({ open: () => manager }))));
}

test("run › fails where the manager lacks what the case requires, instead of passing", async (t) => {
  await t.throwsAsync(
    caseOf("watch").run(() => ({ open: () => new BareManager() })),
    { message: /missingCapabilities/ },
  );
});

test("run › starts and stops each instance once, then closes the harness", async (t) => {
  const calls: string[] = [];
  class Counted extends MemoryChannelManager {
    start(): void {
      calls.push("start");
    }
    stop(force?: boolean): void {
      calls.push(`stop ${force}`);
    }
  }
  const shared = new Counted();
  const close = () => void calls.push("close");

  await caseOf("getMembersBySid").run(() => ({ open: () => shared, close }));
  t.deepEqual(calls.splice(0), ["start", "stop true", "close"]);

  await managerCases
    .find(({ name }) => name.includes("what one instance has changed"))!
    .run(() => ({ open: () => new Counted(), close }))
    // They share no store, so the case fails; it must stop them all the same.
    .catch(() => {});
  t.deepEqual(calls, ["start", "start", "stop true", "stop true", "close"]);
});

test("run › cleans up after a failure, which it tells rather than what fails in the clean-up", async (t) => {
  let closed = false;
  const harness = {
    open: () => Object.assign(new MemoryChannelManager(), { add: () => false }),
    close() {
      closed = true;
      throw new Error("close");
    },
  };

  await t.throwsAsync(
    caseOf("add").run(() => harness),
    { code: "ERR_ASSERTION" },
  );
  t.true(closed);
});

test("run › a clean-up that fails makes the case fail", async (t) => {
  const close = () => Promise.reject(new Error("close"));

  await t.throwsAsync(
    caseOf("add").run(() => ({ open: () => new MemoryChannelManager(), close })),
    { message: "close" },
  );
});

test("run › time passes as the harness lets it pass", async (t) => {
  const passed: number[] = [];
  const registry = new MemoryServerRegistry();
  const [dead] = serverRegistryConformance().filter(({ name }) => name.startsWith("listDead › "));

  await dead!.run(() => ({
    open: () => registry,
    async advance(ms) {
      passed.push(ms);
      await sleep(ms);
    },
  }));

  t.true(passed.length > 0);
});
