import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import type { PushReport } from "../../src/index.js";
import { at, sidOf, uidOf, type Model } from "./model.js";
import { STYPE, type World } from "./world.js";

export const SIDS = ["s1", "s2", "s:{3}"] as const;
const UIDS = ["ann", "ben", "cal", "日本", "1"] as const;
export const NAMES = ["room", "hall", "a:{b}", " \n"] as const;

type Command = fc.AsyncCommand<Model, World>;

/** A command from what it does; `show` is what a counter-example prints. */
function command(
  show: string,
  run: (model: Model, world: World) => Promise<void>,
  check: (model: Model) => boolean = () => true,
): Command {
  return { check: (model) => check(model), run, toString: () => show };
}

const name = fc.constantFrom(...NAMES);
const uid = fc.constantFrom(...UIDS);
const sid = fc.constantFrom(...SIDS);
const membership = fc.record({ name, uid, sid });

export const commands: fc.Arbitrary<Command>[] = [
  fc.tuple(uid, sid).map(([user, server]) =>
    command(`connect ${user} ${server}`, async (model, world) => {
      world.connect(user, server);
      model.open(at(user, server));
      await settled(model, world);
    }),
  ),

  fc.tuple(uid, sid).map(([user, server]) =>
    command(
      `disconnect ${user} ${server}`,
      async (model, world) => {
        world.disconnect(user, server);
        model.close(at(user, server));
        await settled(model, world);
      },
      (model) => model.isConnected(at(user, server)),
    ),
  ),

  membership.map((member) =>
    command(`add ${JSON.stringify(member)}`, async (model, world) => {
      const changed = await world.service.add(member.name, member.uid, member.sid);
      assert.equal(changed, addTo(model, member));
      model.takeBackAdds();
      await settled(model, world);
    }),
  ),

  membership.map((member) =>
    command(`leave ${JSON.stringify(member)}`, async (model, world) => {
      const changed = await world.service.leave(member.name, member.uid, member.sid);
      assert.equal(changed, model.members(member.name).delete(at(member.uid, member.sid)));
    }),
  ),

  fc.array(membership, { maxLength: 8 }).map((members) =>
    command(`addMany ${JSON.stringify(members)}`, async (model, world) => {
      const changed = await world.service.addMany(members);
      assert.equal(changed, members.filter((member) => addTo(model, member)).length);
      model.takeBackAdds();
      await settled(model, world);
    }),
  ),

  fc.array(membership, { maxLength: 8 }).map((members) =>
    command(`leaveMany ${JSON.stringify(members)}`, async (model, world) => {
      const changed = await world.service.leaveMany(members);
      const left = members.filter((member) => model.members(member.name).delete(at(member.uid, member.sid)));
      assert.equal(changed, left.length);
    }),
  ),

  fc.tuple(uid, sid).map(([user, server]) =>
    command(`leaveAll ${user} ${server}`, async (model, world) => {
      const changed = await world.service.leaveAll(user, server);
      const left = [...model.channels.values()].filter((members) => members.delete(at(user, server)));
      assert.equal(changed, left.length);
    }),
  ),

  name.map((channel) =>
    command(`destroyChannel ${JSON.stringify(channel)}`, async (model, world) => {
      const removed = await world.service.destroyChannel(channel);
      assert.equal(removed, model.members(channel).size);
      model.members(channel).clear();
    }),
  ),

  fc
    .tuple(fc.uniqueArray(name, { minLength: 1, maxLength: 3 }), fc.uniqueArray(uid, { maxLength: 2 }))
    .map(([names, except]) =>
      command(`push ${JSON.stringify({ names, except })}`, async (model, world) => {
        const message = world.nextMessage();
        const call = world.service.pushMessage(STYPE, "route", message, names, { except });
        const places = new Set(names.flatMap((channel) => [...model.members(channel)]));
        const targets = [...places].filter((place) => !(except as string[]).includes(uidOf(place)));
        await checkPush(model, world, message, call, targets);
        // Whoever is sought in vain is taken out.
        for (const place of targets) {
          if (!model.isConnected(place)) for (const channel of names) model.members(channel).delete(place);
        }
        await settled(model, world);
      }),
    ),

  fc.uniqueArray(uid).map((users) =>
    command(`pushToUsers ${users.join(" ")}`, async (model, world) => {
      const message = world.nextMessage();
      const call = world.service.pushToUsers(STYPE, "route", message, users);
      const places = users.flatMap((user) => {
        const sids = model.sidsOf(user);
        return sids.length > 0 ? sids.map((server) => at(user, server)) : [at(user, "nowhere")];
      });
      await checkPush(model, world, message, call, places);
    }),
  ),

  fc.uniqueArray(uid, { maxLength: 2 }).map((except) =>
    command(`broadcast except ${except.join(" ")}`, async (model, world) => {
      const message = world.nextMessage();
      const call = world.service.broadcast(STYPE, "route", message, { except });
      const places = [...model.sessions.keys()].filter((place) => !(except as string[]).includes(uidOf(place)));
      await checkPush(model, world, message, call, places);
    }),
  ),

  sid.map((server) =>
    command(`restart ${server}`, async (model, world) => {
      await world.stopFrontend(server);
      model.stop(server);
      await agree(model, world);
      await world.startFrontend(server);
    }),
  ),

  fc.constant(command("compare", agree)),
];

function addTo(model: Model, member: { name: string; uid: string; sid: string }): boolean {
  const members = model.members(member.name);
  const size = members.size;
  return members.add(at(member.uid, member.sid)).size > size;
}

/** The report, and who has got the message, each once. */
async function checkPush(
  model: Model,
  world: World,
  message: number,
  call: Promise<PushReport>,
  targets: readonly string[],
): Promise<void> {
  const report = await call;
  const reached = targets.filter((place) => model.isConnected(place));
  const missed = targets.filter((place) => !model.isConnected(place));
  const { targeted, delivered, failed, unknown, failIds, unlisted } = report;
  assert.deepEqual(
    { targeted, delivered, failed, unknown, unlisted },
    { targeted: targets.length, delivered: reached.length, failed: missed.length, unknown: 0, unlisted: 0 },
  );
  assert.deepEqual(failIds.toSorted(), missed.map(uidOf).toSorted());
  assert.deepEqual(world.receivers(message, UIDS).toSorted(), reached.toSorted());
}

/** Waits for what follows a call without being waited for: sessions, departures, read repair, and the events of all. */
async function settled(model: Model, world: World): Promise<void> {
  const giveUpAt = performance.now() + 10_000;
  while (!(await isSettled(model, world)) && performance.now() < giveUpAt) await sleep(1);
}

async function isSettled(model: Model, world: World): Promise<boolean> {
  const isTold = NAMES.every((channel) => isDeepStrictEqual(world.heardOf(channel), model.members(channel)));
  if (!isTold) return false;
  const counts = await Promise.all(NAMES.map((channel) => world.service.count(channel)));
  if (!counts.every((count, index) => count === model.members(NAMES[index]!).size)) return false;
  const sids = await Promise.all(UIDS.map((user) => world.service.getSids(user)));
  return sids.every((all, index) => isDeepStrictEqual(all.toSorted(), model.sidsOf(UIDS[index]!).toSorted()));
}

/** Everything that can be asked has the model's answer. */
export async function agree(model: Model, world: World): Promise<void> {
  const { service } = world;
  await settled(model, world);
  for (const channel of NAMES) {
    const members = [...model.members(channel)];
    assert.deepEqual([...world.heardOf(channel)].toSorted(), members.toSorted());
    assert.equal(await service.count(channel), members.length);
    for (const server of SIDS) {
      const expected = members.filter((place) => sidOf(place) === server).map(uidOf);
      assert.deepEqual((await service.getMembersBySid(channel, server)).toSorted(), expected.toSorted());
    }
    const uids = [...new Set(members.map(uidOf))];
    assert.deepEqual((await service.getMembersByChannelName(STYPE, channel)).toSorted(), uids.toSorted());
    const listed: string[] = [];
    for await (const member of service.members(channel, { pageSize: 2 })) listed.push(at(member.uid, member.sid));
    assert.deepEqual([...new Set(listed)].toSorted(), members.toSorted());
    for (const user of UIDS) assert.equal(await service.isMember(channel, user), uids.includes(user));
  }
  for (const user of UIDS) {
    assert.deepEqual((await service.getSids(user)).toSorted(), model.sidsOf(user).toSorted());
    assert.deepEqual((await service.getChannels(user)).toSorted(), model.channelsOf(user).toSorted());
  }
}
