import { setImmediate as nextTurn } from "node:timers/promises";
import type { PushReport } from "../../src/index.js";
import { eventually, numbers } from "../cluster/cluster.js";
import { diagnosticsOf } from "../support/diagnostics.js";
import { membersAt, onEveryStage, replacing } from "../support/stage.js";

// What is refused where too much is under way, and that it is told.

const test = onEveryStage();

test("more than maxPendingCalls at a time are refused with GC_OVERLOADED, and taken again after", async (t, stage) => {
  const { manager, registry, transport } = stage.cluster();
  const held: (() => void)[] = [];
  const hold = () => new Promise<boolean>((resolve) => held.push(() => resolve(true)));
  const hanging = replacing(manager, { add: hold });
  const service = await stage.service({ cluster: { manager: hanging, registry, transport }, maxPendingCalls: 3 });
  const lags = diagnosticsOf(t, "globalchannel:lag", ({ source }) => source === service);

  const pending = numbers(3).map((n) => service.add("room", n, "s1"));
  const refused = [
    () => service.add("room", 4, "s1"),
    () => service.leave("room", 1, "s1"),
    () => service.addMany(membersAt("s1", "room", ["4"])),
    () => service.count("room"),
    () => service.destroyChannel("room"),
  ];
  for (const call of refused) await t.throwsAsync(call, { code: "GC_OVERLOADED" });

  t.deepEqual(lags, [{ source: service, queue: "calls", limit: 3 }]);
  for (const end of held) end();
  t.deepEqual(await Promise.all(pending), [true, true, true]);
  t.is(await service.count("room"), 0);
});

test("each membership of a call counts, and a larger call is let in alone", async (t, stage) => {
  const service = await stage.service({ maxPendingCalls: 10 });
  const members = membersAt("s1", "room", numbers(20).map(String));

  const large = service.addMany(members);
  await t.throwsAsync(service.add("room", "21", "s1"), { code: "GC_OVERLOADED" });
  t.is(await large, 20);

  const some = service.leaveMany(members.slice(0, 9));
  await t.throwsAsync(service.leaveMany(members.slice(9, 12)), { code: "GC_OVERLOADED" });
  t.is(await some, 9);
  t.is(await service.leaveMany(members), 11);
});

test("a frontend refuses what is more than it can keep, whose answers its connector owes, and says so", async (t, stage) => {
  // Fewer for each of them than a caller lets a frontend leave unanswered.
  const services = await Promise.all(numbers(12).map(() => stage.service({ timeoutMs: 60_000 })));
  const { frontend, clients } = await stage.frontend("s1");
  const lags = diagnosticsOf(t, "globalchannel:lag", ({ source, limit }) => source === frontend && limit !== undefined);
  clients.connect("ann");
  await services[0]!.add("room", "ann", "s1");
  clients.hang();
  const delivered: PushReport[] = [];
  const refused: unknown[] = [];

  const calls = services.flatMap((service) =>
    numbers(900).map(async (n) => {
      const push = service.pushMessage("connector", "chat", n, "room");
      await push.then(
        (report) => delivered.push(report),
        (error: unknown) => refused.push(error),
      );
    }),
  );
  await eventually(async () => refused.length === 800, 30_000);
  t.is(delivered.length, 0);
  for (const error of refused) t.regex(String(error), /requests not answered: the limit of 10000 is reached/);
  t.deepEqual(lags, [{ source: frontend, queue: "inbox", limit: 10_000 }]);
  clients.resume();

  await Promise.all(calls);
  t.is(delivered.length, 10_000);
  await nextTurn();
  t.is((await services[0]!.pushMessage("connector", "chat", 0, "room")).delivered, 1);
});
