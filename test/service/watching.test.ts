import { GlobalChannelService } from "../../src/index.js";
import { eventually } from "../cluster/cluster.js";
import { errorsOf, onEveryStage, replacing, type Stage } from "../support/stage.js";

// From when until when a service hears of joins and leaves.

const test = onEveryStage();

/** A cluster whose manager refuses to be watched until it is mended. */
function unwatchable(stage: Stage) {
  const cluster = stage.cluster();
  const { manager } = cluster;
  let isBroken = true;
  const broken = replacing(manager, {
    watchAll: async (listener) => {
      if (isBroken) throw new Error("not today");
      return manager.watchAll!(listener);
    },
  });
  return { cluster: { ...cluster, manager: broken }, mend: () => (isBroken = false) };
}

/** Notes the uids that join; `marker` is how a test tells that what came before it was heard. */
function joinsOf(service: GlobalChannelService): string[] {
  const uids: string[] = [];
  service.on("join", ({ uid }) => uids.push(uid));
  return uids;
}

test("a start that failed because events cannot be had may be tried again", async (t, stage) => {
  const { cluster, mend } = unwatchable(stage);
  const service = new GlobalChannelService({ cluster });
  t.teardown(() => service.stop(true));
  const joins = joinsOf(service);

  await t.throwsAsync(service.start(), { code: "GC_STORE_ERROR", message: /watchAll failed: not today/ });
  mend();
  await service.start();
  await service.add("room", "ann", "s1");

  await t.notThrowsAsync(eventually(() => joins.includes("ann"), 3000));
});

test("a listener that could not be served is told of, and the next one is served, and it too", async (t, stage) => {
  const { cluster, mend } = unwatchable(stage);
  const service = await stage.service({ cluster });
  const errors = errorsOf(t, service);
  const first = joinsOf(service);
  await eventually(() => errors.length === 1, 3000);
  mend();

  const second = joinsOf(service);
  await eventually(async () => {
    await service.add("room", `probe-${performance.now()}`, "s1");
    return second.length > 0;
  }, 3000);

  t.deepEqual(first, second);
});

test("a listener that is added while the service runs hears what comes soon after", async (t, stage) => {
  const service = await stage.service();
  await service.add("room", "early", "s1");

  const joins = joinsOf(service);
  await eventually(async () => {
    await service.add("room", `probe-${performance.now()}`, "s1");
    return joins.length > 0;
  }, 3000);
  await service.add("room", "ann", "s1");

  await eventually(() => joins.includes("ann"), 3000);
  t.false(joins.includes("early"));
});

test("every service hears of what any of them changes, each change once", async (t, stage) => {
  const [one, other] = [await stage.service(), await stage.service()];
  const heard = [await stage.events(), await stage.events()];

  await one.add("room", "ann", "s1");
  await other.leave("room", "ann", "s1");
  await other.add("room", "bob", "s1");
  await eventually(() => heard.every((events) => events.includes("join bob@s1 room join")), 3000);

  for (const events of heard) {
    t.deepEqual(events, ["join ann@s1 room join", "leave ann@s1 room leave", "join bob@s1 room join"]);
  }
});

test("a service that has stopped hears nothing any more, not even with a new listener", async (t, stage) => {
  const other = await stage.service();
  const heard = await stage.events();
  const service = new GlobalChannelService({ cluster: stage.cluster() });
  const before = joinsOf(service);
  await service.start();
  await service.stop();
  const errors = errorsOf(t, service);
  const after = joinsOf(service);

  await other.add("room", "ann", "s1");
  await eventually(() => heard.length === 1, 3000);

  t.deepEqual([before, after, errors], [[], [], []]);
});
