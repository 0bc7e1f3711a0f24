import test from "ava";
import * as fc from "fast-check";
import {
  GlobalChannelService,
  memory,
  type FrontendReplies,
  type PushReport,
  type RpcTransport,
} from "../../src/index.js";
import { numbers } from "../cluster/cluster.js";

// Whatever a transport does, a push says of every member what became of it, once, in time.

const PUSHES = 100_000;
const SEED = 6;
const TIMEOUT_MS = 300;
/** How late a push may be, unless it is done within so many turns of the event loop. */
const LATE_MS = 50;
const MAX_TURNS = 2;
/** How many are under way at the same time. */
const CONCURRENCY = 500;
const MEMBERS = { s1: 3, s2: 2, s3: 1 };

/** A transport that fails in every way there is, one after the other as the seed has it. */
function failingTransport(random: () => number): RpcTransport {
  const answer = (sid: keyof typeof MEMBERS) => {
    const failed = random() < 0.1 ? [`user-1@${sid}`] : [];
    return { delivered: MEMBERS[sid] - failed.length, failed };
  };
  const later = <T>(ms: number, value: () => T) =>
    new Promise<T>((resolve, reject) => {
      setTimeout(() => {
        try {
          resolve(value());
        } catch (error) {
          // oxlint-disable-next-line typescript/prefer-promise-reject-errors
          reject(error);
        }
      }, ms);
    });
  const fail = (): never => {
    throw new Error("injected");
  };
  const transport: Pick<RpcTransport, "request"> = {
    async request(sid) {
      const at = sid as keyof typeof MEMBERS;
      const dice = random();
      const request = (() => {
        if (dice < 0.8) return answer(at);
        if (dice < 0.85) return later(random() * 5, () => answer(at));
        if (dice < 0.88) return fail();
        if (dice < 0.92) return later(random() * 5, fail);
        if (dice < 0.94) return later(TIMEOUT_MS + random() * 100, () => answer(at));
        if (dice < 0.95) return later(TIMEOUT_MS + random() * 100, fail);
        // What is no answer.
        if (dice < 0.96) return undefined as unknown as FrontendReplies["push"];
        return new Promise<never>(() => {});
      })();
      return (await request) as never;
    },
  };
  return { ...transport, serve: () => () => {} };
}

test(`of ${PUSHES} pushes each one accounts for all of its members, once, and in time`, async (t) => {
  const generator = fc.sample(fc.noBias(fc.nat(999_999)), { numRuns: 9973, seed: SEED });
  let next = 0;
  const random = (): number => generator[next++ % generator.length]! / 1e6;
  const cluster = { ...memory(), transport: failingTransport(random) };
  const service = new GlobalChannelService({ cluster });
  await service.start();
  t.teardown(() => service.stop(true));
  for (const [sid, count] of Object.entries(MEMBERS)) {
    const frontend = { sid, stype: "connector", incarnation: "1", holder: "" };
    await cluster.registry.register(frontend, 3_600_000);
    await cluster.registry.renew(frontend, 3_600_000);
    await service.addMany(numbers(count).map((n) => ({ name: "room", uid: `user-${n}@${sid}`, sid })));
  }

  const wrong: unknown[] = [];
  const seen = { resolved: 0, rejected: 0, delivered: 0, failed: 0, unknown: 0, lateMs: 0 };
  const push = async (n: number): Promise<void> => {
    let callbacks = 0;
    let report: PushReport | undefined;
    // Counted in turns of the event loop, too: where this process is late, every timer is.
    let isDueSince = Infinity;
    let turns = 0;
    let isSettled = false;
    const count = (): void => void (isSettled || (turns++, setImmediate(count)));
    const timer = setTimeout(() => {
      isDueSince = performance.now();
      setImmediate(count);
    }, TIMEOUT_MS);
    try {
      report = await service.pushMessage("connector", "chat", n, "room", { timeoutMs: TIMEOUT_MS }, () => callbacks++);
      seen.resolved++;
    } catch (error) {
      report = (error as { report?: PushReport }).report;
      seen.rejected++;
    }
    clearTimeout(timer);
    isSettled = true;
    if (turns > MAX_TURNS) seen.lateMs = Math.max(seen.lateMs, performance.now() - isDueSince);
    // The callback follows the promise.
    await new Promise((resolve) => setImmediate(resolve));
    const { targeted, delivered, failed, unknown, failIds, unlisted } = report!;
    const addsUp =
      targeted === 6 && delivered + failed + unknown === 6 && failIds.length + unlisted === failed + unknown;
    if (!addsUp || callbacks !== 1) wrong.push({ n, callbacks, report });
    seen.delivered += delivered;
    seen.failed += failed;
    seen.unknown += unknown;
  };
  let n = 0;
  await Promise.all(
    numbers(CONCURRENCY).map(async () => {
      while (n < PUSHES) await push(n++);
    }),
  );

  t.log(JSON.stringify(seen));
  t.deepEqual(wrong, []);
  t.is(seen.delivered + seen.failed + seen.unknown, 6 * PUSHES);
  t.true(seen.rejected > 0 && seen.failed > 0 && seen.unknown > 0);
  t.true(seen.lateMs <= LATE_MS, `the latest was ${seen.lateMs} ms late`);
});

test("pushes that a frontend fails at the same time share the reads that say whom they were for", async (t) => {
  const reads: string[] = [];
  const { manager, registry } = memory();
  const getMembersBySid = manager.getMembersBySid.bind(manager);
  manager.getMembersBySid = (name, sid) => {
    reads.push(`${name} at ${sid}`);
    return getMembersBySid(name, sid);
  };
  const transport: RpcTransport = { request: () => Promise.reject(new Error("injected")), serve: () => () => {} };
  const service = new GlobalChannelService({ cluster: { manager, registry, transport } });
  await service.start();
  t.teardown(() => service.stop(true));
  const frontend = { sid: "s1", stype: "connector", incarnation: "1", holder: "" };
  await registry.register(frontend, 3_600_000);
  await registry.renew(frontend, 3_600_000);
  const members = ["alice", "bob"].map((uid) => ({ name: "room", uid, sid: "s1" }));
  await service.addMany([
    ...members,
    { name: "hall", uid: "bob", sid: "s1" },
    { name: "hall", uid: "carol", sid: "s1" },
  ]);

  const push = (name: string | string[], except: string[] = []) =>
    service
      .pushMessage("connector", "chat", 1, name, { except })
      .catch(({ report }: { report: PushReport }) => report.failIds);
  const failIds = await Promise.all([
    ...numbers(100).map(() => push("room")),
    push("room", ["bob"]),
    push(["room", "hall"]),
    push("hall"),
  ]);

  t.deepEqual(failIds.slice(99), [["alice", "bob"], ["alice"], ["alice", "bob", "carol"], ["bob", "carol"]]);
  t.deepEqual(
    failIds.slice(0, 99),
    numbers(99).map(() => ["alice", "bob"]),
  );
  t.deepEqual(reads.toSorted(), ["hall at s1", "hall at s1", "room at s1", "room at s1"]);
});
