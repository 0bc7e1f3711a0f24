import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { Redis } from "ioredis";
import { MissedPushes } from "../../src/frontend/missed-pushes.js";
import { eventually } from "../cluster/cluster.js";
import { RecordingConnector } from "../support/recording-connector.js";
import { connect, cuttable, membersAt, onEveryStage } from "../support/stage.js";

const onStage = onEveryStage();

test("sessions look for what they may have missed once, when what mends that is done", async (t) => {
  const steps: string[] = [];
  const missed = new MissedPushes(() => steps.push("looked"));
  const mend = async (): Promise<void> => void steps.push("mended");

  await missed.lookAfter(mend);
  missed.note();
  await missed.lookAfter(mend);
  await missed.lookAfter(mend);

  t.deepEqual(steps, ["mended", "mended", "looked", "mended"]);
});

test("where that fails, they look after the next time; so they do where something is missed meanwhile", async (t) => {
  let looks = 0;
  const missed = new MissedPushes(() => looks++);

  missed.note();
  await t.throwsAsync(missed.lookAfter(() => Promise.reject(new Error("the store is away"))));
  t.is(looks, 0);
  await missed.lookAfter(async () => missed.note());
  t.is(looks, 1);
  await missed.lookAfter(async () => {});

  t.is(looks, 2);
});

class Looking extends RecordingConnector {
  looks = 0;

  missed(): void {
    this.looks++;
  }
}

onStage.onRedisAlone(
  "sessions look for what they may have missed when the store has lost its members",
  async (t, stage) => {
    const connector = new Looking();
    const { frontend } = stage.newFrontend("s1", { connector, leaseMs: 300 });
    await frontend.start();
    const service = await stage.service();
    await connect(service, "s1", connector, ["ann"]);
    await service.addMany(membersAt("s1", "room", ["ann"]));
    await sleep(300);
    t.is(connector.looks, 0);

    const admin = new Redis(stage.url!);
    t.teardown(() => admin.disconnect());
    await admin.flushall();
    await eventually(async () => connector.looks > 0, 3000);

    t.deepEqual(await service.getMembersBySid("room", "s1"), ["ann"]);
  },
);

onStage("sessions look for what they may have missed when their frontend has a lease again", async (t, stage) => {
  const connector = new Looking();
  const { cluster, cut, mend } = cuttable(stage.cluster());
  const { frontend } = stage.newFrontend("s1", { connector, cluster, leaseMs: 300 });
  await frontend.start();

  cut();
  await sleep(400);
  t.is(connector.looks, 0);
  mend();

  await t.notThrowsAsync(eventually(async () => connector.looks > 0, 3000));
});
