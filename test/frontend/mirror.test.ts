import test, { type ExecutionContext } from "ava";
import * as fc from "fast-check";
import { Mirror, type MirrorSource } from "../../src/frontend/mirror.js";
import type { ChangeGap, ChangeListener, MemberSetChange, Version } from "../../src/types.js";
import { nextVersion } from "../../src/version.js";
import { skipTime } from "../support/skip-time.js";

const SID = "s1";

interface State {
  version: Version | undefined;
  uids: ReadonlySet<string>;
}

interface Read {
  name: string;
  /** What the store had when it handled the read; undefined: it has not come to it yet. */
  state?: State;
  reply: (state: { version: Version | undefined; uids: string[] }) => void;
  fail: (error: Error) => void;
}

/**
 * The member sets at one sid, with the versions that every store makes. Nothing moves by itself: changes wait to be delivered
 * or dropped, and reads wait to be handled by the store and then to be answered.
 */
class Store implements MirrorSource {
  /** Every state that a channel has had. */
  readonly #states = new Map<string, State[]>();
  readonly changes: MemberSetChange[] = [];
  readonly reads: Read[] = [];
  readCount = 0;
  #epochs = 0;
  #listener: ChangeListener | undefined;

  watch(_sid: string, listener: ChangeListener): () => void {
    this.#listener = listener;
    return () => (this.#listener = undefined);
  }

  readMemberSet(name: string): Promise<{ version: Version | undefined; uids: string[] }> {
    this.readCount++;
    return new Promise((reply, fail) => this.reads.push({ name, reply, fail }));
  }

  getChannelsBySid(): string[] {
    return [...this.#states.keys()].filter((name) => this.now(name).version !== undefined);
  }

  now(name: string): State {
    return this.#states.get(name)?.at(-1) ?? { version: undefined, uids: new Set() };
  }

  /** The version of a channel that has members. */
  version(name: string): Version {
    return this.now(name).version ?? "none.1";
  }

  /** How many changes a channel has had. */
  age(name: string): number {
    return this.#states.get(name)?.length ?? 0;
  }

  /** The members of a channel at an age. */
  at(name: string, age: number): ReadonlySet<string> {
    return this.#states.get(name)?.[age - 1]?.uids ?? new Set();
  }

  add(name: string, ...uids: string[]): void {
    const { version: old, uids: before } = this.now(name);
    const version = old === undefined ? `e${++this.#epochs}.1` : nextVersion(old);
    const joined = uids.filter((uid) => !before.has(uid));
    this.#change({ version, uids: new Set([...before, ...uids]) }, name);
    this.changes.push({ type: "join", name, sid: SID, version, uids: joined, reason: "join" });
  }

  leave(name: string, ...uids: string[]): void {
    const { version: old, uids: before } = this.now(name);
    const left = uids.filter((uid) => before.has(uid));
    if (old === undefined || left.length === 0) return;
    const version = nextVersion(old);
    const rest = new Set([...before].filter((uid) => !left.includes(uid)));
    this.#change({ version: rest.size > 0 ? version : undefined, uids: rest }, name);
    this.changes.push({ type: "leave", name, sid: SID, version, uids: left, reason: "leave" });
  }

  destroy(name: string): void {
    const { version, uids } = this.now(name);
    if (version === undefined) return;
    this.#change({ version: undefined, uids: new Set() }, name);
    this.changes.push({ type: "clear", name, sid: SID });
    this.changes.push({ type: "leave", name, sid: SID, version: undefined, uids: [...uids], reason: "destroyed" });
  }

  /** Delivers all changes that wait, or the next few. */
  deliver(count = this.changes.length): void {
    for (const change of this.changes.splice(0, count)) this.#listener?.change(change);
  }

  /** Loses all changes that wait, or the next few. */
  drop(count = this.changes.length): void {
    this.changes.splice(0, count);
  }

  announceGap(gap?: ChangeGap): void {
    this.#listener?.gap?.(gap);
  }

  interrupt(gap?: ChangeGap): void {
    this.#listener?.interrupted?.(gap);
  }

  /** Somebody was told to leave who is no member. */
  announceAbsent(name: string, ...uids: string[]): void {
    this.#listener?.absent?.(name, uids);
  }

  /** What no replica has: the store is as it was so many changes ago. */
  goBack(name: string, changes: number): void {
    this.#states.get(name)?.splice(-changes);
  }

  /** Handles the oldest reads that have not been handled. */
  handle(): void {
    for (const read of this.reads) read.state ??= this.now(read.name);
  }

  /** Answers a read that was handled. */
  async answer(index = 0): Promise<void> {
    const [read] = this.reads.splice(index, 1);
    const state = read?.state ?? this.now(read?.name ?? "");
    read?.reply({ version: state.version, uids: [...state.uids] });
    await settle();
  }

  /** Answers reads until there are none. */
  async answerAll(): Promise<void> {
    await settle();
    while (this.reads.length > 0) await this.answer();
  }

  #change(state: State, name: string): void {
    const states = this.#states.get(name) ?? [];
    this.#states.set(name, states);
    states.push(state);
  }
}

/** Lets everything run that waits for nothing but a promise that is settled. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

interface Told {
  changes: MemberSetChange[];
  gaps: number;
  dropped: [name: string, uids: readonly string[]][];
  /** Of those, who may be lost. */
  lost: [name: string, uids: readonly string[]][];
  undone: [name: string, uids: readonly string[]][];
}

async function startMirror(): Promise<{ store: Store; mirror: Mirror; told: Told }> {
  const store = new Store();
  const told: Told = { changes: [], gaps: 0, dropped: [], lost: [], undone: [] };
  const mirror = new Mirror(store, SID, {
    change: (change) => told.changes.push(change),
    gap: () => told.gaps++,
    dropped: (name, uids, mayBeLost) => (mayBeLost ? told.lost : told.dropped).push([name, uids]),
    undone: (name, uids) => told.undone.push([name, uids]),
    absent: () => {},
  });
  await mirror.start();
  return { store, mirror, told };
}

/** The members that are here, without any read. */
function here(t: ExecutionContext, mirror: Mirror, name: string, version: Version): string[] {
  const members = mirror.resolve(name, version);
  t.false(members instanceof Promise, "it was read");
  return members instanceof Promise ? [] : sorted(members);
}

function sorted(uids: Iterable<string>): string[] {
  return [...uids].toSorted();
}

const UIDS = ["ann", "bob", "cy", "di"];
const NAMES = ["room", "hall"];

type Step =
  | { do: "add" | "leave"; name: string; uids: string[] }
  | { do: "destroy" | "resolve"; name: string }
  | { do: "deliver" | "drop"; count: number }
  | { do: "answer"; index: number }
  | { do: "gap" | "handle" | "catchUp" };

const someName = fc.constantFrom(...NAMES);
const someUids = fc.subarray(UIDS, { minLength: 1, maxLength: 3 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant("add" as const), name: someName, uids: someUids }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("leave" as const), name: someName, uids: someUids }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("destroy" as const), name: someName }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("resolve" as const), name: someName }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("deliver" as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("drop" as const), count: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("answer" as const), index: fc.nat(1) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom("handle" as const, "handle", "gap", "catchUp") }) },
);

/** Runs steps, checking each answer: the members as they were at some moment between the call and the answer. */
class Run {
  readonly #store: Store;
  readonly #mirror: Mirror;
  readonly #waiting: Promise<void>[] = [];
  readonly #errors: unknown[] = [];

  constructor(store: Store, mirror: Mirror) {
    this.#store = store;
    this.#mirror = mirror;
  }

  async take(it: Step): Promise<void> {
    const store = this.#store;
    if (it.do === "add" || it.do === "leave") store[it.do](it.name, ...it.uids);
    else if (it.do === "destroy") store.destroy(it.name);
    else if (it.do === "resolve") this.resolve(it.name);
    else if (it.do === "deliver" || it.do === "drop") store[it.do](it.count);
    else if (it.do === "answer") await store.answer(Math.min(it.index, Math.max(0, store.reads.length - 1)));
    else if (it.do === "gap") store.announceGap();
    else if (it.do === "handle") store.handle();
    else this.#wait(this.#mirror.catchUp());
    await settle();
    this.checkIndex();
    if (this.#errors.length > 0) throw this.#errors[0];
  }

  resolve(name: string): void {
    const store = this.#store;
    const { version } = store.now(name);
    // A push names only sets that have members.
    if (version === undefined) return;
    const from = store.age(name);
    const check = (members: ReadonlySet<string>): void => {
      const got = sorted(members).join();
      const allowed: string[] = [];
      for (let age = from; age <= store.age(name); age++) allowed.push(sorted(store.at(name, age)).join());
      if (!allowed.includes(got))
        throw new Error(`${name} at ${version}: got [${got}], not [${allowed.join("] or [")}]`);
    };
    const members = this.#mirror.resolve(name, version);
    if (members instanceof Promise) this.#wait(members.then(check));
    else check(members);
  }

  /** Nothing changes any more: everyone gets exactly what is there. */
  async finish(): Promise<void> {
    await this.#store.answerAll();
    for (const name of NAMES) {
      this.resolve(name);
      this.resolve(name);
    }
    await this.#store.answerAll();
    await Promise.all(this.#waiting);
    if (this.#errors.length > 0) throw this.#errors[0];
    for (const name of NAMES) {
      const { version, uids } = this.#store.now(name);
      if (version === undefined) continue;
      const known = this.#mirror.memberships().filter((membership) => membership.name === name);
      const got = sorted(known.map(({ uid }) => uid)).join();
      if (got !== sorted(uids).join()) throw new Error(`${name} is known as [${got}] after it was read`);
    }
    this.checkIndex();
  }

  /** What is known by channel and what is known by user is the same. */
  checkIndex(): void {
    const byChannel = this.#mirror.memberships().map(({ name, uid }) => `${uid} in ${name}`);
    const byUser = UIDS.flatMap((uid) => this.#mirror.channelsOf(uid).map((name) => `${uid} in ${name}`));
    if (sorted(byChannel).join() !== sorted(byUser).join()) {
      throw new Error(`by channel: ${sorted(byChannel).join()}; by user: ${sorted(byUser).join()}`);
    }
  }

  #wait(promise: Promise<void>): void {
    this.#waiting.push(promise.catch((error: unknown) => void this.#errors.push(error)));
  }
}

test("whatever changes are lost, and announced as lost or not, resolve gives the members as they are", async (t) => {
  const property = fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), async (steps) => {
    const { store, mirror } = await startMirror();
    const run = new Run(store, mirror);
    for (const it of steps) await run.take(it);
    await run.finish();
  });
  await t.notThrowsAsync(() => fc.assert(property, { numRuns: 400 }));
});

test("while no change is lost, nothing is ever read", async (t) => {
  const change = step.filter(({ do: kind }) => ["add", "leave", "destroy", "resolve"].includes(kind));
  const property = fc.asyncProperty(fc.array(change, { maxLength: 30 }), async (steps) => {
    const { store, mirror, told } = await startMirror();
    const run = new Run(store, mirror);
    for (const it of steps) {
      await run.take(it);
      store.deliver();
    }
    await run.finish();
    return store.readCount === 0 && told.dropped.length === 0 && told.gaps === 0;
  });
  await t.notThrowsAsync(() => fc.assert(property));
});

test("a read that the store had handled before a lost change does not answer for the version after it", async (t) => {
  const { store, mirror } = await startMirror();
  store.add("room", "ann");
  store.drop();
  const earlier = mirror.resolve("room", store.version("room"));
  store.handle();
  store.add("room", "bob");
  store.drop();

  const later = mirror.resolve("room", store.version("room"));

  await store.answerAll();
  t.true((await earlier).has("ann"));
  t.deepEqual(sorted(await later), ["ann", "bob"]);
});

for (const [late, count] of Object.entries({ "first change": 1, clear: 2 })) {
  test(`the ${late} of an earlier epoch that comes while the set is read does not undo what is read`, async (t) => {
    const { store, mirror } = await startMirror();
    store.add("room", "ann");
    store.destroy("room");
    store.add("room", "bob");
    const members = mirror.resolve("room", store.version("room"));
    store.handle();
    store.deliver(count);
    await store.answerAll();
    t.deepEqual(sorted(await members), ["bob"]);
  });
}

test("the first change of a set that comes while it is read, and is empty by then, does not bring it back", async (t) => {
  const { store, mirror } = await startMirror();
  store.add("room", "ann");
  store.add("room", "bob");
  const members = mirror.resolve("room", store.version("room"));
  store.destroy("room");
  store.handle();
  store.deliver(1);
  await store.answerAll();
  t.deepEqual(sorted(await members), []);
});

test("the first change of an epoch tells all that there is, so that nothing is read", async (t) => {
  const { store, mirror } = await startMirror();
  t.is(mirror.versionOf("room"), undefined);
  store.add("room", "ann", "bob");
  store.deliver();

  t.deepEqual(here(t, mirror, "room", store.version("room")), ["ann", "bob"]);
  t.is(mirror.versionOf("room"), store.version("room"));

  store.leave("room", "ann", "bob");
  store.add("room", "cy");
  store.deliver();
  t.deepEqual(here(t, mirror, "room", store.version("room")), ["cy"]);
  t.is(store.readCount, 0);
});

test("nothing is kept of a set whose last member has left", async (t) => {
  const { store, mirror } = await startMirror();
  store.add("room", "ann");
  store.leave("room", "ann");
  store.deliver();
  t.is(mirror.versionOf("room"), undefined);
  t.deepEqual(mirror.memberships(), []);
  t.deepEqual(mirror.channelsOf("ann"), []);
});

test("an older version than the one that is here is answered at once", async (t) => {
  const { store, mirror } = await startMirror();
  store.add("room", "ann");
  const old = store.version("room");
  store.add("room", "bob");
  store.deliver();
  t.deepEqual(here(t, mirror, "room", old), ["ann", "bob"]);
});

test("a version that no change has told of is read", async (t) => {
  const { store, mirror } = await startMirror();
  store.add("room", "ann");
  store.deliver();
  store.add("room", "bob");
  store.drop();

  const members = mirror.resolve("room", store.version("room"));
  await store.answerAll();

  t.deepEqual(sorted(await members), ["ann", "bob"]);
  t.is(store.readCount, 1);
  t.deepEqual(here(t, mirror, "room", store.version("room")), ["ann", "bob"]);
});

test("a change that does not follow makes the copy one to read again, and counts as the best that is known", async (t) => {
  const { store, mirror } = await startMirror();
  store.add("room", "ann");
  store.deliver();
  store.leave("room", "ann");
  store.add("room", "bob");
  store.drop();
  store.add("room", "cy");
  store.deliver();

  t.is(mirror.versionOf("room"), undefined);
  t.true(mirror.has("room", "cy"));
  t.true(mirror.has("room", "ann"));

  const members = mirror.resolve("room", store.version("room"));
  await store.answerAll();
  t.deepEqual(sorted(await members), ["bob", "cy"]);
});

test("an announced gap makes every copy one to read again, and is passed on", async (t) => {
  const { store, mirror, told } = await startMirror();
  store.add("room", "ann");
  store.deliver();
  store.announceGap();

  t.is(told.gaps, 1);
  t.is(mirror.versionOf("room"), undefined);
  t.true(mirror.has("room", "ann"));
  const members = mirror.resolve("room", store.version("room"));
  await store.answerAll();
  t.deepEqual(sorted(await members), ["ann"]);
  t.is(store.readCount, 1);
});

test("a gap while a set is read makes it be read again", async (t) => {
  const { store, mirror } = await startMirror();
  store.add("room", "ann");
  store.drop();
  const members = mirror.resolve("room", store.version("room"));
  store.handle();
  store.add("room", "bob");
  store.drop();
  store.announceGap();
  await store.answerAll();

  t.deepEqual(sorted(await members), ["ann", "bob"]);
  t.is(store.readCount, 2);
});

test("changes that come while a set is read are in what is read", async (t) => {
  const { store, mirror } = await startMirror();
  store.add("room", "ann");
  store.drop();
  const members = mirror.resolve("room", store.version("room"));
  store.handle();
  store.add("room", "bob");
  store.leave("room", "ann");
  store.deliver();
  await store.answerAll();

  t.deepEqual(sorted(await members), ["bob"]);
  t.is(mirror.versionOf("room"), store.version("room"));
  t.is(store.readCount, 1);
});

test("of a read that hangs no more than 10,000 changes are kept: the set is read again", async (t) => {
  const { store, mirror } = await startMirror();
  store.add("room", "ann");
  store.drop();

  const members = mirror.resolve("room", store.version("room"));
  store.handle();
  for (let n = 0; n < 10_001; n++) store.add("room", `user-${n}`);
  store.deliver();
  await store.answer();
  t.is(store.readCount, 2);
  await store.answerAll();

  t.is((await members).size, 10_002);
});

test("those who ask for a set while it is read wait for the same read", async (t) => {
  const { store, mirror } = await startMirror();
  store.add("room", "ann");
  store.drop();
  const all = [1, 2, 3].map(() => mirror.resolve("room", store.version("room")));
  await store.answerAll();

  t.deepEqual((await Promise.all(all)).map(sorted), [["ann"], ["ann"], ["ann"]]);
  t.is(store.readCount, 1);
});

test("a read that fails is the failure of those who wait for it, and the next one reads anew", async (t) => {
  const { store, mirror } = await startMirror();
  store.add("room", "ann");
  store.drop();
  const failing = [1, 2].map(async () => mirror.resolve("room", store.version("room")));
  store.reads.pop()?.fail(new Error("cable cut"));
  for (const members of failing) await t.throwsAsync(members, { message: "cable cut" });

  const members = mirror.resolve("room", store.version("room"));
  await store.answerAll();
  t.deepEqual(sorted(await members), ["ann"]);
});

test("a set whose changes are lost with every read is given up after some reads", async (t) => {
  const { store, mirror } = await startMirror();
  store.add("room", "ann");
  store.drop();
  const members = Promise.resolve(mirror.resolve("room", store.version("room")));
  const failed = t.throwsAsync(members, { message: /"room"/ });
  while (store.reads.length > 0 && store.readCount < 100) {
    store.announceGap();
    await store.answer();
  }
  await failed;
  t.true(store.readCount < 100);
});

test("a channel that is destroyed is dropped whole, and told to the listener with who was in it", async (t) => {
  const { store, mirror, told } = await startMirror();
  store.add("room", "ann", "bob");
  store.add("hall", "ann");
  store.destroy("room");
  store.deliver();

  t.is(mirror.versionOf("room"), undefined);
  t.false(mirror.has("room", "ann"));
  t.deepEqual(mirror.channelsOf("ann"), ["hall"]);
  t.deepEqual(mirror.memberships(), [{ name: "hall", uid: "ann", sid: SID }]);
  t.deepEqual(
    told.changes.map(({ type, name }) => `${type} ${name}`),
    ["join room", "join hall", "clear room", "leave room"],
  );
  t.deepEqual(told.dropped, []);
});

test("the channels of a user and all memberships are known from the changes", async (t) => {
  const { store, mirror } = await startMirror();
  store.add("room", "ann", "bob");
  store.add("hall", "ann");
  store.leave("room", "bob");
  store.deliver();

  t.deepEqual(sorted(mirror.channelsOf("ann")), ["hall", "room"]);
  t.deepEqual(mirror.channelsOf("bob"), []);
  t.deepEqual(mirror.channelsOf("nobody"), []);
  t.deepEqual(
    mirror.memberships().toSorted((a, b) => a.name.localeCompare(b.name)),
    [
      { name: "hall", uid: "ann", sid: SID },
      { name: "room", uid: "ann", sid: SID },
    ],
  );
});

test("members that a read does not find are told as dropped, once, and those that left by a change are not", async (t) => {
  const { store, mirror, told } = await startMirror();
  store.add("room", "ann", "bob", "cy");
  store.deliver();
  store.leave("room", "ann");
  store.deliver();
  store.leave("room", "bob");
  store.drop();
  t.deepEqual(told.dropped, []);

  const members = mirror.resolve("room", store.version("room"));
  await store.answerAll();
  await members;

  t.deepEqual(told.dropped, [["room", ["bob"]]]);
  t.deepEqual(mirror.channelsOf("bob"), []);
});

test("catchUp reads what is stale and what was not known, and after it nothing is", async (t) => {
  const { store, mirror, told } = await startMirror();
  store.add("room", "ann");
  store.add("gone", "bob");
  store.deliver();
  store.leave("gone", "bob");
  store.add("hall", "cy");
  store.drop();
  store.announceGap();

  const done = mirror.catchUp();
  await store.answerAll();
  await done;

  t.deepEqual(here(t, mirror, "room", store.version("room")), ["ann"]);
  t.deepEqual(here(t, mirror, "hall", store.version("hall")), ["cy"]);
  t.false(mirror.has("gone", "bob"));
  t.deepEqual(told.dropped, [["gone", ["bob"]]]);
  const { readCount } = store;
  await mirror.catchUp();
  t.is(store.readCount, readCount);
});

test("a mirror that is stopped hears no more changes, and may be stopped again", async (t) => {
  const { store, mirror, told } = await startMirror();
  await mirror.stop();
  await mirror.stop();
  store.add("room", "ann");
  store.deliver();
  t.deepEqual(told.changes, []);
  t.deepEqual(mirror.memberships(), []);
});

test("after a store has lost its last changes, who had joined may be lost, and who had left has to leave again", async (t) => {
  const { store, mirror, told } = await startMirror();
  store.add("room", "ann", "bob");
  store.leave("room", "bob");
  store.add("room", "cy");
  store.deliver();
  store.goBack("room", 2);
  store.announceGap({ mayHaveLost: true });

  const done = mirror.catchUp();
  await store.answerAll();
  await done;

  t.deepEqual(told.lost, [["room", ["cy"]]]);
  t.deepEqual(told.dropped, []);
  t.deepEqual(told.undone, [["room", ["bob"]]]);
});

test("who has left, and is told to leave once more, still has to leave again when the store has lost the first time", async (t) => {
  const { store, mirror, told } = await startMirror();
  store.add("room", "ann", "bob");
  store.leave("room", "bob");
  store.deliver();
  store.announceAbsent("room", "bob");
  store.goBack("room", 1);
  store.announceGap({ mayHaveLost: true });

  const done = mirror.catchUp();
  await store.answerAll();
  await done;

  t.deepEqual(told.undone, [["room", ["bob"]]]);
});

test("a leave that is missed is not taken for an earlier one, unless the store has gone back to before it", async (t) => {
  const { store, mirror, told } = await startMirror();
  store.add("room", "ann", "bob");
  store.leave("room", "bob");
  store.add("room", "bob");
  store.deliver();
  store.leave("room", "bob");
  store.drop();
  store.announceGap({ mayHaveLost: true });

  const done = mirror.catchUp();
  await store.answerAll();
  await done;

  t.deepEqual(told.lost, [["room", ["bob"]]]);
  t.is(mirror.leftMsAgo("room", "bob"), undefined);
});

for (const [seconds, kind] of [
  [49, "lost"],
  [51, "dropped"],
] as const) {
  test.serial(`who is gone after changes were not told for ${seconds} s counts as ${kind}`, async (t) => {
    const { store, mirror, told } = await startMirror();
    store.add("room", "ann", "bob");
    store.deliver();
    store.interrupt({ mayHaveLost: true });
    // A push that comes meanwhile ends no doubt.
    skipTime(t, seconds * 500);
    const members = mirror.resolve("room", store.version("room"));
    await store.answerAll();
    t.deepEqual(sorted(await members), ["ann", "bob"]);
    store.leave("room", "ann");
    store.drop();
    skipTime(t, seconds * 500);
    store.announceGap({ mayHaveLost: true });

    const done = mirror.catchUp();
    await store.answerAll();
    await done;

    t.deepEqual({ lost: told.lost, dropped: told.dropped }, { lost: [], dropped: [], [kind]: [["room", ["ann"]]] });
  });
}

test("who was told to leave, and joined again in a later change, is not told to leave", async (t) => {
  const { store, mirror, told } = await startMirror();
  store.add("room", "ann", "bob");
  store.leave("room", "bob");
  store.deliver();
  store.add("room", "bob");
  store.drop();
  store.announceGap({ mayHaveLost: true });

  const done = mirror.catchUp();
  await store.answerAll();
  await done;

  t.true(mirror.has("room", "bob"));
  t.deepEqual(told.undone, []);
});

test("the members of a channel that had ended, and of one that its last member had left, leave again", async (t) => {
  const { store, mirror, told } = await startMirror();
  store.add("room", "ann", "bob");
  store.add("hall", "cy");
  store.destroy("room");
  store.leave("hall", "cy");
  store.deliver();
  for (const name of NAMES) store.goBack(name, 1);
  store.announceGap({ mayHaveLost: true });

  const done = mirror.catchUp();
  await store.answerAll();
  await done;

  t.deepEqual(
    told.undone.toSorted(([one], [other]) => one.localeCompare(other)),
    [
      ["hall", ["cy"]],
      ["room", ["ann", "bob"]],
    ],
  );
});

test("a gap that concerns some channels leaves the others as they are", async (t) => {
  const { store, mirror } = await startMirror();
  for (const name of NAMES) store.add(name, "ann");
  store.deliver();
  store.announceGap({ concerns: (name) => name === "hall" });

  t.deepEqual(here(t, mirror, "room", store.version("room")), ["ann"]);
  t.is(mirror.versionOf("hall"), undefined);
  const done = mirror.catchUp();
  await store.answerAll();
  await done;
  t.is(store.readCount, 1);
});

test("while changes are not told a push reads its members, also at a version that is known", async (t) => {
  const { store, mirror } = await startMirror();
  store.add("room", "ann");
  store.deliver();
  store.interrupt({ mayHaveLost: true });
  // At the same version, after the store has lost the one that was told.
  store.goBack("room", 1);
  store.add("room", "bob");
  store.drop();

  const members = mirror.resolve("room", store.version("room"));
  await store.answerAll();
  t.deepEqual(sorted(await members), ["bob"]);
});

test("it is known for a while how long ago a member was told to leave, or its channel ended", async (t) => {
  const { store, mirror } = await startMirror();
  store.add("room", "ann", "bob");
  store.leave("room", "bob");
  store.add("room", "bob");
  store.add("hall", "cy");
  store.destroy("hall");
  store.add("hall", "di");
  store.deliver();

  t.is(mirror.leftMsAgo("room", "ann"), undefined);
  for (const [name, uid] of [
    ["room", "bob"],
    ["hall", "di"],
  ] as const) {
    const msAgo = mirror.leftMsAgo(name, uid);
    t.true(msAgo !== undefined && msAgo >= 0 && msAgo < 5000, `${name} ${uid} ${msAgo}`);
  }
});
