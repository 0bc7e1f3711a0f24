import test from "ava";
import * as fc from "fast-check";
import { escape, Keys, PREFIX_PATTERN, unescape } from "../../src/redis/keys.js";

/** What keys are made of: separators, hash tags, escapes, what does not show, and what looks alike. */
const PIECES = [
  ...[
    ":",
    "::",
    "{",
    "}",
    "{}",
    "}{",
    "%",
    "%25",
    "%7B",
    "%7b",
    "%7D",
    "%257B",
    "*",
    "?",
    "[a]",
    "\\",
    "\n",
    "\r\n",
    "\0",
  ],
  ...[
    " ",
    "a",
    "b",
    "A",
    "\u00e9",
    "e\u0301",
    "e",
    "\u0301",
    "\u200b",
    "\u212b",
    "\u00c5",
    "日本",
    "😀",
    "👨‍👩‍👧",
    "\u{10ffff}",
  ],
  ...[
    "a:m:b",
    "m:b",
    ":m:",
    "}:m:",
    "}:s",
    ":s",
    "s",
    "m",
    "d",
    ":d:",
    "}:d:x:",
    "}:g",
    "g:",
    "srv:",
    "on:",
    "u:",
    "tok:",
    "sids",
    "servers",
    "ch:0:",
  ],
];

const anyName = fc
  .oneof(
    {
      weight: 4,
      arbitrary: fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 4 }).map((all) => all.join("")),
    },
    { weight: 1, arbitrary: fc.string({ unit: "binary", minLength: 1, maxLength: 8 }) },
    { weight: 1, arbitrary: fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 }) },
  )
  .filter((text) => text.isWellFormed());

/** Ids that the library makes itself, of callers. */
const ownId = fc.stringMatching(/^[\w-]{8}$/);

interface Place {
  name: string;
  sid: string;
  uid: string;
  id: string;
}
const place: fc.Arbitrary<Place> = fc.record({ name: anyName, sid: anyName, uid: anyName, id: ownId });

/** Every kind of key: what tells its keys apart, and the key. */
const KINDS: Record<string, (keys: Keys, place: Place) => [identity: readonly string[], key: string]> = {
  servers: (keys) => [[], keys.servers],
  sids: (keys) => [[], keys.sids],
  sets: (keys, { name }) => [[name], keys.sets(name)],
  members: (keys, { name, sid }) => [[name, sid], keys.members(name, sid)],
  farewells: (keys, { name }) => [[name], keys.farewells(name)],
  untold: (keys, { name, sid }) => [[name, sid], keys.untold(name, sid)],
  history: (keys, { name }) => [[name], keys.history(name)],
  messages: (keys, { name }) => [[name], keys.messages(name)],
  pushed: (keys, { name, uid }) => [[name, uid], keys.pushed(name, uid)],
  channelsAt: (keys, { sid }) => [[sid], keys.channelsAt(sid)],
  usersAt: (keys, { sid }) => [[sid], keys.usersAt(sid)],
  user: (keys, { uid }) => [[uid], keys.user(uid)],
  subscriber: (keys, { uid }) => [[uid], keys.subscriber(uid)],
  token: (keys, { uid }) => [[uid], keys.token(uid)],
  // Pub/sub channels are no keys, and collide with none all the same.
  changes: (keys, { sid }) => [[sid], keys.changes(sid)],
  inbox: (keys, { sid }) => [[sid], keys.inbox(sid)],
  replies: (keys, { id }) => [[id], keys.replies(id)],
};
const PUB_SUB: ReadonlySet<string> = new Set(["changes", "inbox", "replies"]);
const OF_CHANNEL = ["sets", "members", "farewells", "untold", "history", "messages", "pushed"] as const;

function allKeys(keys: Keys, at: Place): { identity: string; kind: string; key: string }[] {
  return Object.entries(KINDS).map(([kind, make]) => {
    const [parts, key] = make(keys, at);
    return { identity: JSON.stringify([kind, ...parts]), kind, key };
  });
}

/** The part of a key that a Redis Cluster hashes: what is between the first `{` and the next `}`, if anything is. */
function hashTag(key: string): string {
  const open = key.indexOf("{");
  const close = open < 0 ? -1 : key.indexOf("}", open + 1);
  return close > open + 1 ? key.slice(open + 1, close) : key;
}

test("no two keys or pub/sub channels are the same unless they are for the same thing", (t) => {
  const keys = new Keys("gc", 0);
  const property = fc.property(fc.array(place, { minLength: 2, maxLength: 6 }), (places) => {
    const identities = new Map<string, string>();
    // Each sid with each name too, so that pairs differ in one part only.
    const mixed = places.flatMap((one) => places.map((other) => ({ ...one, sid: other.sid, uid: other.name })));
    for (const { identity, key } of mixed.flatMap((at) => allKeys(keys, at))) {
      const other = identities.get(key);
      if (other !== undefined && other !== identity) throw new Error(`${identity} and ${other} share ${key}`);
      identities.set(key, identity);
    }
  });
  t.notThrows(() => fc.assert(property, { numRuns: 500 }));
});

test("no two (name, sid) pairs share a key, also where a colon, brace or escape could be of either", (t) => {
  const keys = new Keys("gc", 0);
  const pairs = PIECES.flatMap((first) => PIECES.map((second) => [first, second] as const));
  const members = new Set(pairs.map(([first, second]) => keys.members(first, second)));
  const untold = new Set(pairs.map(([first, second]) => keys.untold(first, second)));
  t.is(members.size, pairs.length);
  t.is(untold.size, pairs.length);
  t.true([...members].every((key) => !untold.has(key)));
});

test("keys whose prefix or database differs are different", (t) => {
  const property = fc.property(place, fc.nat(15), fc.nat(15), (at, db, otherDb) => {
    fc.pre(db !== otherDb);
    const [one, other] = [allKeys(new Keys("gc", db), at), allKeys(new Keys("gc", otherDb), at)];
    const longer = new Set(allKeys(new Keys("gc:test", db), at).map(({ key }) => key));
    return one.every(({ kind, key }, index) => {
      // Databases keep keys apart by themselves.
      return !longer.has(key) && (key === other[index]?.key) === !PUB_SUB.has(kind);
    });
  });
  t.notThrows(() => fc.assert(property));
});

test("all keys of one channel have the same hash tag, and those of two channels have not", (t) => {
  const keys = new Keys("a.b/c:d@e-f", 0);
  const tagsOf = (at: Place) => OF_CHANNEL.map((kind) => hashTag(KINDS[kind]!(keys, at)[1]));
  const property = fc.property(place, place, (one, other) => {
    const tags = new Set([...tagsOf(one), ...tagsOf({ ...other, name: one.name })]);
    if (tags.size !== 1) throw new Error(`several tags of one channel: ${[...tags].join(" ")}`);
    if (one.name === other.name) return;
    const shared = tagsOf(other).find((tag) => tags.has(tag));
    if (shared !== undefined) throw new Error(`two channels share the tag ${shared}`);
  });
  t.notThrows(() => fc.assert(property));
});

test("keys that are of no channel have no hash tag, whatever the sid or uid", (t) => {
  const keys = new Keys("gc", 0);
  const property = fc.property(place, (at) =>
    allKeys(keys, at).every(
      ({ kind, key }) => (OF_CHANNEL as readonly string[]).includes(kind) || hashTag(key) === key,
    ),
  );
  t.notThrows(() => fc.assert(property));
});

test("the hash tag is found as Redis finds it", (t) => {
  t.is(hashTag("a{b}c{d}"), "b");
  t.is(hashTag("a{{b}}"), "{b");
  t.is(hashTag("a{}{b}"), "a{}{b}");
  t.is(hashTag("a}b{"), "a}b{");
});

test("a name that is escaped and unescaped is the same name", (t) => {
  t.notThrows(() => fc.assert(fc.property(anyName, (text) => unescape(escape(text)) === text)));
  for (const text of PIECES) t.is(unescape(escape(text)), text);
});

test("an escaped name has no brace, and different names stay different", (t) => {
  const property = fc.property(anyName, anyName, (one, other) => {
    return !/[{}]/.test(escape(one)) && (one === other) === (escape(one) === escape(other));
  });
  t.notThrows(() => fc.assert(property));
});

test("the layout is that of version 1", (t) => {
  const keys = new Keys("gc", 3);
  t.deepEqual(
    {
      servers: keys.servers,
      sids: keys.sids,
      sets: keys.sets("room:{1}%"),
      members: keys.members("room:{1}%", "s:1}"),
      membersPrefix: keys.membersPrefix("room"),
      farewells: keys.farewells("room:{1}:s"),
      untold: keys.untold("room", "s:1{"),
      untoldPrefix: keys.untoldPrefix("room"),
      history: keys.history("room:{1}%"),
      messages: keys.messages("room"),
      pushed: keys.pushed("room", "key {1}"),
      channelsAt: keys.channelsAt("s 1%"),
      channelsAtPrefix: keys.channelsAtPrefix,
      usersAt: keys.usersAt("s1"),
      user: keys.user("ann\n"),
      subscriber: keys.subscriber("a{b"),
      token: keys.token("a{b"),
      changes: keys.changes("s:1"),
      changesPrefix: keys.changesPrefix,
      allChanges: keys.allChanges,
      inbox: keys.inbox("日{本}"),
      inboxPrefix: keys.inboxPrefix,
      replies: keys.replies("caller"),
      nothing: keys.nothing,
    },
    {
      servers: "gc:servers",
      sids: "gc:sids",
      sets: "gc:{room:%7B1%7D%25}:s",
      members: "gc:{room:%7B1%7D%25}:m:s:1%7D",
      membersPrefix: "gc:{room}:m:",
      farewells: "gc:{room:%7B1%7D:s}:g",
      untold: "gc:{room}:d:s:1%7B",
      untoldPrefix: "gc:{room}:d:",
      history: "gc:{room:%7B1%7D%25}:h",
      messages: "gc:{room}:x",
      pushed: "gc:{room}:i:key%20%7B1%7D",
      channelsAt: "gc:srv:s%201%25",
      channelsAtPrefix: "gc:srv:",
      usersAt: "gc:on:s1",
      user: "gc:u:ann\n",
      subscriber: "gc:sub:a%7Bb",
      token: "gc:tok:a%7Bb",
      changes: "gc:ch:3:s:1",
      changesPrefix: "gc:ch:3:",
      allChanges: "gc:ch:3:*",
      inbox: "gc:in:3:日%7B本%7D",
      inboxPrefix: "gc:in:3:",
      replies: "gc:re:3:caller",
      nothing: "gc:nothing",
    },
  );
});

test("a key is its prefix's own, and no other prefix's", (t) => {
  const part = fc.constantFrom(
    "gc",
    "gc:",
    ":",
    "m",
    "s",
    "d",
    "u",
    "on",
    "tok",
    "srv",
    "sids",
    "servers",
    "ch",
    "in",
    "re",
    "0",
    "x",
  );
  const prefix = fc
    .array(part, { minLength: 1, maxLength: 5 })
    .map((parts) => parts.join(":"))
    .filter((text) => PREFIX_PATTERN.test(text));
  const property = fc.property(prefix, prefix, place, (own, other, at) => {
    const [mine, theirs] = [new Keys(own, 0), new Keys(other, 0)];
    for (const { kind, key } of allKeys(mine, at)) {
      if (PUB_SUB.has(kind)) continue;
      if (!mine.isOwn(key)) throw new Error(`${own} does not know its own ${key}`);
      if (own !== other && theirs.isOwn(key)) throw new Error(`${other} takes ${key} of ${own} for its own`);
    }
  });
  t.notThrows(() => fc.assert(property, { numRuns: 1000 }));
});

test("what other programs keep under the same prefix is not a key of ours", (t) => {
  const keys = new Keys("gc", 0);
  const foreign = [
    "gc",
    "gc:",
    "gc:other",
    "gc:serversX",
    "gc:servers:x",
    "gc:sids\n",
    "gc:{room}:z",
    "gc:{room}:sX",
    "gc:{room}:xX",
    "gc:{room}:gX",
    "gc:{room}:g:s1",
    "gc:{room}",
  ];
  for (const key of [...foreign, "gc:{room:s", "xgc:servers", "gc2:servers", "GC:servers"])
    t.false(keys.isOwn(key), key);
});
