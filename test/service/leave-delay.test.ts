import { setTimeout as sleep } from "node:timers/promises";
import test from "ava";
import { LeaveDelay } from "../../src/service/leave-delay.js";
import type { JoinReason, LeaveReason } from "../../src/index.js";

/** A delay of 100 ms on a clock that the test moves, and what was told. */
function delayed(downMs = 0) {
  const clock = { now: 0 };
  const told: string[] = [];
  const delay = new LeaveDelay({
    delayMs: 100,
    downMs,
    now: () => clock.now,
    tell: (type, event) => {
      const who = "uid" in event ? `${event.uid}@${event.sid}` : event.sid;
      told.push(`${clock.now} ${type} ${who} ${event.name}`);
    },
  });
  const member = (who: string, name: string) => {
    const [uid = "", sid = ""] = who.split("@");
    return { name, uid, sid };
  };
  return {
    delay,
    told,
    at(ms: number) {
      clock.now = ms;
      delay.expire();
    },
    join: (who: string, name = "room", reason: JoinReason = "join") => delay.join({ ...member(who, name), reason }),
    leave: (who: string, name = "room", reason: LeaveReason = "leave") => delay.leave({ ...member(who, name), reason }),
    created: (sid: string, name = "room") => delay.created({ name, sid, reason: "join" }),
    emptied: (sid: string, reason: LeaveReason = "leave", name = "room") => delay.emptied({ name, sid, reason }),
  };
}

test("a leave is told when its time is over, not before", (t) => {
  const { at, join, leave, told } = delayed();
  join("ann@s1");
  at(1000);
  leave("ann@s1");
  at(1099);
  t.deepEqual(told, ["0 join ann@s1 room"]);

  at(1100);

  t.deepEqual(told.slice(1), ["1100 leave ann@s1 room"]);
});

test("who joins the same channel again in time, at whatever frontend, has neither left nor joined", (t) => {
  for (const back of ["ann@s1", "ann@s2"]) {
    const { at, join, leave, told, delay } = delayed();
    leave("ann@s1");
    at(99);
    join(back);
    at(1000);

    t.deepEqual(told, [], back);
    t.is(delay.size, 0);
  }
});

test("a join that comes when the time is over is told, after the leave, however late the timer is", (t) => {
  const { delay, join, leave, told } = delayed();
  leave("ann@s1");
  const late = new LeaveDelay({ delayMs: 0, downMs: 0, tell: (type) => told.push(type) });
  late.leave({ name: "room", uid: "ann", sid: "s1", reason: "leave" });
  late.join({ name: "room", uid: "ann", sid: "s1", reason: "join" });
  t.deepEqual(told, ["leave", "join"]);

  join("ann@s1", "hall");
  join("ben@s1");
  delay.flush();

  t.deepEqual(told.slice(2), ["0 join ann@s1 hall", "0 join ben@s1 room", "0 leave ann@s1 room"]);
});

test("who has joined at another frontend up to that long before has moved, and does not leave", (t) => {
  for (const [leftAt, told] of [
    [99, []],
    [100, ["200 leave ann@s1 room"]],
  ] as const) {
    const scene = delayed();
    scene.join("ann@s2");
    scene.at(leftAt);
    scene.leave("ann@s1");
    scene.at(200);
    scene.at(1000);

    t.deepEqual(scene.told.slice(1), told);
    t.is(scene.delay.size, 0);
  }
});

test("who has joined at another frontend when its own had died has moved, however late that is heard of", (t) => {
  for (const [leftAt, reason, told] of [
    [1099, "server-down", []],
    [1100, "server-down", ["1200 leave ann@s1 room"]],
    [99, "disconnect", []],
    [100, "disconnect", ["200 leave ann@s1 room"]],
  ] as const) {
    const scene = delayed(1000);
    scene.join("ann@s2");
    scene.at(leftAt);
    scene.leave("ann@s1", "room", reason);
    scene.at(leftAt + 100);
    scene.at(5000);

    t.deepEqual(scene.told.slice(1), told, `${reason} at ${leftAt}`);
    t.is(scene.delay.size, 0);
  }
});

test("what is due first is told first, whatever is kept longer", async (t) => {
  const told: string[] = [];
  const delay = new LeaveDelay({ delayMs: 30, downMs: 60_000, tell: (type) => told.push(type) });
  delay.join({ name: "room", uid: "ann", sid: "s1", reason: "join" });
  delay.leave({ name: "room", uid: "ben", sid: "s1", reason: "leave" });

  await sleep(200);

  t.deepEqual(told, ["join", "leave"]);
});

test("each join excuses one leave, and none once its own membership has ended", (t) => {
  const two = delayed();
  two.join("ann@s3");
  two.leave("ann@s1");
  two.leave("ann@s2");
  two.at(100);
  t.deepEqual(two.told.slice(1), ["100 leave ann@s2 room"]);

  const gone = delayed();
  gone.join("ann@s2");
  gone.leave("ann@s2");
  gone.leave("ann@s1");
  gone.at(100);
  t.deepEqual(gone.told.slice(1), ["100 leave ann@s2 room", "100 leave ann@s1 room"]);
});

test("a join that has taken the place of a leave excuses no other", (t) => {
  const { at, join, leave, told } = delayed();
  leave("ann@s1");
  join("ann@s2");
  leave("ann@s3");
  at(100);

  t.deepEqual(told, ["100 leave ann@s3 room"]);
});

test("of two leaves of a user, that of the frontend where it joins again is undone, else the earlier one", (t) => {
  const same = delayed();
  for (const who of ["ann@s1", "ann@s2"]) same.leave(who);
  same.join("ann@s2");
  same.at(100);
  t.deepEqual(same.told, ["100 leave ann@s1 room"]);

  const other = delayed();
  for (const who of ["ann@s1", "ann@s2"]) other.leave(who);
  other.join("ann@s3");
  other.at(100);
  t.deepEqual(other.told, ["100 leave ann@s2 room"]);
});

test("other users and other channels are not concerned", (t) => {
  const { at, join, leave, told } = delayed();
  leave("ann@s1");
  join("ben@s1");
  join("ann@s1", "hall");
  at(100);

  t.deepEqual(told, ["0 join ben@s1 room", "0 join ann@s1 hall", "100 leave ann@s1 room"]);
});

test("a channel that is emptied and filled again in time gives neither event, one that is filled later both", (t) => {
  const { at, created, emptied, join, leave, told } = delayed();
  leave("ann@s1");
  emptied("s1");
  at(50);
  created("s2");
  join("ben@s2");
  at(100);
  t.deepEqual(told, ["50 join ben@s2 room", "100 leave ann@s1 room"]);

  at(500);
  leave("ben@s2");
  emptied("s2");
  at(600);
  created("s1");
  join("ann@s1");

  t.deepEqual(told.slice(2), [
    "600 leave ben@s2 room",
    "600 channel-emptied s2 room",
    "600 channel-created s1 room",
    "600 join ann@s1 room",
  ]);
});

test("what is destroyed is told at once, after the leaves of that channel that are held back, and of no other", (t) => {
  const { at, delay, emptied, join, leave, told } = delayed();
  leave("ann@s1");
  leave("ann@s1", "hall");
  at(10);
  emptied("s2", "destroyed");
  leave("ben@s2", "room", "destroyed");
  join("ann@s1");
  at(110);

  t.deepEqual(told, [
    "10 leave ann@s1 room",
    "10 channel-emptied s2 room",
    "10 leave ben@s2 room",
    "10 join ann@s1 room",
    "110 leave ann@s1 hall",
  ]);
  t.is(delay.size, 0);
});

test("at the end all that is held back is told, in order, and nothing is kept", (t) => {
  const { delay, emptied, join, leave, told } = delayed();
  join("cal@s1");
  leave("ann@s1");
  leave("cal@s1");
  emptied("s1");

  delay.flush();

  t.deepEqual(told.slice(1), ["0 leave ann@s1 room", "0 leave cal@s1 room", "0 channel-emptied s1 room"]);
  t.is(delay.size, 0);
});

test("what is kept is what has come within the delay, and there is one timer", (t) => {
  const { at, delay, join, leave } = delayed();
  const timers = () => process.getActiveResourcesInfo().filter((type) => type === "Timeout").length;
  const before = timers();

  for (let ms = 0; ms < 1000; ms++) {
    at(ms);
    join(`u${ms}@s1`);
    if (ms % 2 === 0) leave(`u${ms}@s1`);
    t.true(delay.size <= 100);
  }

  t.is(timers(), before, "the timer keeps no process alive");
  at(2000);
  t.is(delay.size, 0);
});

test("its own timer tells what is due", async (t) => {
  const told = await new Promise<number>((resolve) => {
    const began = performance.now();
    const delay = new LeaveDelay({ delayMs: 30, downMs: 0, tell: () => resolve(performance.now() - began) });
    delay.leave({ name: "room", uid: "ann", sid: "s1", reason: "leave" });
    // The delay keeps nothing alive by itself.
    setTimeout(() => {}, 2000).unref();
    const alive = setInterval(() => {}, 1000);
    t.teardown(() => clearInterval(alive));
  });

  t.true(told >= 29, `${told}`);
});
