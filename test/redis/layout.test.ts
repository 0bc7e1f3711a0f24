import test from "ava";
import keySlot from "cluster-key-slot";
import * as fc from "fast-check";
import { markOf, NO_CHANNEL } from "../../src/histories/redis/mark.js";
import { byPartition, PartitionedLayout, WholeLayout } from "../../src/redis/layout.js";

/** How a Redis Cluster's keys are made, and that they spread. */
const layout = new PartitionedLayout("gc");
const anyName = fc.string({ unit: "binary", minLength: 1, maxLength: 12 }).filter((text) => text.isWellFormed());

/** How much fuller the fullest group is than if all were the same. */
function unevenness(counts: readonly number[]): number {
  return Math.max(...counts) / (counts.reduce((sum, count) => sum + count, 0) / counts.length);
}

test("all that one script touches is in one slot, whatever the names", (t) => {
  const property = fc.property(anyName, anyName, anyName, (name, sid, uid) => {
    const keys = layout.of(name);
    const slots = [
      ...[keys.sets(name), keys.members(name, sid), keys.farewells(name), keys.untold(name, sid), keys.channelsAt(sid)],
      ...[
        keys.sids,
        keys.servers,
        keys.changes(sid),
        keys.noChanges,
        keys.usersAt(sid),
        keys.user(uid),
        keys.token(uid),
        keys.nothing,
      ],
      ...[keys.history(name), keys.messages(name), keys.pushed(name, uid)],
      // Also of a push to other channels, and of one to none.
      ...[markOf(keys, name, [name, sid], uid), markOf(keys, NO_CHANNEL, [], uid)],
    ].map((key) => keySlot(key));
    return new Set(slots).size === 1;
  });
  t.notThrows(() => fc.assert(property));
});

test("all that is known of pushes with a key is told apart", (t) => {
  const scopes = fc.tuple(fc.array(anyName, { maxLength: 3 }), anyName);
  const [keys] = new WholeLayout("gc", 0).partitions;
  const mark = ([names, key]: [string[], string]) => markOf(keys!, names[0] ?? NO_CHANNEL, names, key);
  const property = fc.property(
    scopes,
    scopes,
    (a, b) => (mark(a) === mark(b)) === (JSON.stringify(a) === JSON.stringify(b)),
  );
  t.notThrows(() => fc.assert(property));
});

test("each partition has a slot of its own, in its own 64th of all slots", (t) => {
  const slots = layout.partitions.map((keys) => keySlot(keys.sids));
  t.deepEqual(
    slots.map((slot) => Math.floor(slot / 256)),
    Array.from({ length: 64 }, (_value, range) => range),
  );
});

for (const [kind, nameOf] of Object.entries({
  "that are numbered": (n: number) => `guild-${n}`,
  "that are padded numbers": (n: number) => `room:${String(n).padStart(8, "0")}`,
  "with braces": (n: number) => `{room}:${n}`,
  "in Japanese": (n: number) => `部屋${n}`,
})) {
  test(`100,000 channels ${kind} spread: the fullest partition is within 1.3 times of even, and so is a server of 3 to 24`, (t) => {
    const names = Array.from({ length: 100_000 }, (_value, n) => nameOf(n));
    const groups = byPartition(layout, names, (name) => name);

    const perPartition = layout.partitions.map((keys) => groups.get(keys)?.length ?? 0);
    t.true(unevenness(perPartition) <= 1.3, `${unevenness(perPartition)}`);
    for (const servers of [3, 4, 5, 6, 8, 10, 12, 16, 20, 24]) {
      const perServer = Array.from({ length: servers }, () => 0);
      for (const [index, keys] of layout.partitions.entries()) {
        // As `redis-cli --cluster create` shares the slots.
        const server = Math.min(servers - 1, Math.floor(keySlot(keys.sids) / (16_384 / servers)));
        perServer[server]! += perPartition[index]!;
      }
      t.true(unevenness(perServer) <= 1.3, `${servers} servers: ${unevenness(perServer)}`);
    }
  });
}

test("the layout of a cluster is that of version 1", (t) => {
  const keys = layout.of("room:{1}%");
  t.deepEqual(
    {
      servers: layout.servers,
      all: layout.all,
      sids: keys.sids,
      sets: keys.sets("room:{1}%"),
      members: keys.members("room:{1}%", "s:1}"),
      channelsAt: keys.channelsAt("s1"),
      changes: keys.changes("s1"),
      noChanges: keys.noChanges,
      nothing: keys.nothing,
      usersAt: layout.of("s1").usersAt("s1"),
      inbox: layout.of("s1").inbox("s1"),
      user: layout.of("ann").user("ann"),
      token: layout.of("ann").token("ann"),
      replies: layout.of("caller").replies("caller"),
      tags: layout.partitions.slice(0, 8).map(({ sids }) => sids),
    },
    {
      servers: "gc:{servers}:servers",
      all: "gc:{*",
      sids: "gc:{6d}:sids",
      sets: "gc:{6d}:{room:%7B1%7D%25}:s",
      members: "gc:{6d}:{room:%7B1%7D%25}:m:s:1%7D",
      channelsAt: "gc:{6d}:srv:s1",
      changes: "gc:{6d}:ch:0:s1",
      noChanges: "gc:{6d}:ch:0:",
      nothing: "gc:{6d}:nothing",
      usersAt: "gc:{1j}:on:s1",
      inbox: "gc:{1j}:in:0:s1",
      user: "gc:{1x}:u:ann",
      token: "gc:{1x}:tok:ann",
      replies: "gc:{13}:re:0:caller",
      tags: ["10", "18", "6h", "6d", "29", "21", "3", "4s"].map((tag) => `gc:{${tag}}:sids`),
    },
  );
});

test("a name is in one partition, whichever layout object is asked", (t) => {
  const other = new PartitionedLayout("gc");
  t.notThrows(() => fc.assert(fc.property(anyName, (name) => layout.of(name).sids === other.of(name).sids)));
});

test("a key is its prefix's own, in every partition, and no other prefix's", (t) => {
  const others = ["g", "gcc", "gc:x", "gc.", "GC"].map((prefix) => new PartitionedLayout(prefix));
  for (const keys of layout.partitions) {
    for (const key of [
      keys.sids,
      keys.sets("room"),
      keys.members("a}b", "s1"),
      keys.channelsAt("s1"),
      keys.user("u"),
      keys.token("t"),
    ]) {
      t.true(layout.isOwn(key), key);
      t.false(
        others.some((other) => other.isOwn(key)),
        key,
      );
    }
  }
  t.true(layout.isOwn(layout.servers));
  const foreign = ["gc:{room}:s", "gc:sids", "gc:{cv}:other", "gc:{}:sids", "gc:{nothing-of-ours}:sids", "gc:{cv}"];
  for (const key of foreign) t.false(layout.isOwn(key), key);
});

test("a prefix with characters that patterns have is taken as it is", (t) => {
  const own = new PartitionedLayout("a.b/c@d-e:f");
  t.true(own.isOwn(own.of("room").sets("room")));
  t.false(new PartitionedLayout("axb/c@d-e:f").isOwn(own.of("room").sets("room")));
});

test("a standalone Redis is one partition", (t) => {
  const whole = new WholeLayout("gc", 2);
  t.is(whole.partitions.length, 1);
  t.is(whole.of(), whole.partitions[0]!);
  t.is(whole.of().sets("room"), "gc:{room}:s");
  t.is(whole.all, "gc:*");
});
