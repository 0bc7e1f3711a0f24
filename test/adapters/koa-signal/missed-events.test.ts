import { setTimeout as sleep } from "node:timers/promises";
import test, { type ExecutionContext } from "ava";
import { initiatorOf, peersOf } from "../../../src/adapters/koa-signal/channels.js";
import { type ChangeListener, type Cluster, memory } from "../../../src/index.js";
import { until } from "../../connectors/websocket-support.js";
import { replacing } from "../../support/stage.js";
import { openPeer, openSwarm, startApp, untilAllHaveHeard } from "./support.js";

// Two processes, the first of which may hear nothing of the cluster for a while.

/** Two looks, each 10 s after what it was for, and some time for what else there is to do. */
const LOOKS_MS = 30_000;

/** A cluster for one process, which can be made deaf to the changes of others. */
function deafening(cluster: Cluster) {
  let listener!: ChangeListener;
  let isDeaf = false;
  const manager = replacing(cluster.manager, {
    watchAll: (given) => {
      listener = given;
      const change: ChangeListener["change"] = (told) => {
        if (!isDeaf) given.change(told);
      };
      return cluster.manager.watchAll!({ ...given, change });
    },
  });
  return {
    cluster: { ...cluster, manager },
    deafen: () => (isDeaf = true),
    /** It hears again, and that it has missed something. @param concerns of which channels */
    mend: (concerns?: (name: string) => boolean) => {
      isDeaf = false;
      listener.gap?.(concerns && { concerns });
    },
  };
}

async function startTwo(t: ExecutionContext) {
  const shared = memory();
  const { cluster, deafen, mend } = deafening(shared);
  const [deaf, hearing] = [await startApp(t, { cluster }), await startApp(t, { cluster: shared })];
  return { deaf, hearing, deafen, mend };
}

for (const [title, concerned] of [
  ["both channels of the swarm", undefined],
  // In a Redis Cluster they are mostly at different servers.
  ["that of its initiator alone", initiatorOf],
  ["that of its peers alone", peersOf],
] as const) {
  test(`an end that was missed is made up for after a gap of ${title}`, async (t) => {
    const { deaf, hearing, deafen, mend } = await startTwo(t);
    const initiator = await openPeer(t, hearing.url);
    const { id } = initiator;
    const peer = await openPeer(t, deaf.url, { id });
    const [other, otherPeer] = await openSwarm(t, deaf.url);

    deafen();
    initiator.close();
    await until(() => hearing.serve.connector.stats.sessions === 0);
    mend(concerned && ((name) => name === concerned(id)));

    await until(() => peer.hasEnded, LOOKS_MS);
    t.is(await peer.post("to nobody"), 404);
    await untilAllHaveHeard([other, otherPeer!]);
  });
}

test("joins and leaves that were missed are told after a gap, once each", async (t) => {
  const { deaf, hearing, deafen, mend } = await startTwo(t);
  const [initiator, bob] = await openSwarm(t, deaf.url);
  const { id } = initiator;
  const cat = await openPeer(t, hearing.url, { id });
  await until(() => initiator.messages("join").length === 2);

  deafen();
  cat.close();
  const dan = await openPeer(t, hearing.url, { id });
  const eve = await openPeer(t, hearing.url, { id });
  eve.close();
  await until(() => hearing.serve.connector.stats.sessions === 1);
  mend();
  await until(() => initiator.messages("leave").length > 0, LOOKS_MS);

  t.deepEqual(
    initiator.messages("join"),
    [bob!, cat, dan].map(({ cid }) => ({ id, cid })),
  );
  t.deepEqual(initiator.messages("leave"), [{ id, cid: cat.cid }]);
  dan.close();
  await until(() => initiator.messages("leave").length === 2);
});

test("who is not found for a moment, as its process stands still, has not left, however many gaps there are", async (t) => {
  const shared = memory();
  const { cluster, mend } = deafening(shared);
  let looks = 0;
  let hidden: string | undefined;
  const manager = replacing(cluster.manager, {
    scanMembers: async (name, sid, cursor, limit) => {
      // A page is all of a look: there are few.
      if (hidden !== undefined) looks++;
      const page = await shared.manager.scanMembers!(name, sid, cursor, limit);
      return { ...page, uids: page.uids.filter((uid) => uid !== hidden) };
    },
  });
  const app = await startApp(t, { cluster: { ...cluster, manager } });
  const [initiator, bob] = await openSwarm(t, app.url);

  hidden = bob!.cid;
  mend();
  await sleep(100);
  mend();
  // That after the start, and those of the two gaps.
  await until(() => looks >= 3, LOOKS_MS);
  hidden = "nobody";
  await until(() => looks >= 4, LOOKS_MS);

  await untilAllHaveHeard([initiator, bob!]);
  t.deepEqual(initiator.messages("leave"), []);
});
