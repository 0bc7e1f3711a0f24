import { initiatorOf, peersOf } from "../../../src/adapters/koa-signal/channels.js";
import { until } from "../../connectors/websocket-support.js";
import { onEveryStage } from "../../support/stage.js";
import { openPeer, startApp, untilEmpty } from "./support.js";

// Signalling, whatever keeps the members.

const test = onEveryStage();

test("peers at two processes find each other, leave, and end with their initiator", async (t, stage) => {
  const first = await startApp(t, { cluster: stage.cluster() });
  const second = await startApp(t, { cluster: stage.cluster() });
  const initiator = await openPeer(t, first.url);
  const { id, cid } = initiator;
  const bob = await openPeer(t, second.url, { id });
  const cat = await openPeer(t, second.url, { id });
  await until(() => initiator.messages("join").length === 2);

  t.is(await initiator.post("to all"), 200);
  t.is(await bob.post({ answer: 1 }, cid), 200);
  await until(() => initiator.signals.length === 2 && cat.signals.length === 1);
  cat.close();
  await until(() => initiator.messages("leave").length === 1);
  t.is(await cat.post("from nobody"), 401);
  t.is(await initiator.post("to nobody", cat.cid), 404);
  initiator.close();
  await until(() => bob.hasEnded);

  t.deepEqual(
    initiator.messages("join"),
    [bob, cat].map((peer) => ({ id, cid: peer.cid })),
  );
  t.deepEqual(initiator.messages("leave"), [{ id, cid: cat.cid }]);
  t.deepEqual(initiator.signals, ["to all", { answer: 1 }]);
  t.deepEqual(bob.signals, ["to all"]);
  await untilEmpty(first.serve.service, [peersOf(id), initiatorOf(id)]);
  t.is(await second.serve.service.count(peersOf(id)), 0);
});
