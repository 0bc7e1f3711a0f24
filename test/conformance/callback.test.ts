import test from "ava";
import { channelManagerConformance, missingCapabilities } from "../../src/conformance/index.js";
import { CallbackChannelManager } from "../../src/managers/callback.js";
import type { CallbackManager } from "../../src/types.js";

type Done = (error?: unknown, result?: unknown) => void;

/** The members that all managers of a case share: name -> sid -> uids. */
type Store = Map<string, Map<string, Set<string>>>;

/** A manager as it was written for pomelo-globalchannel-plugin: it does what it is asked when its store answers, and calls back. */
class LegacyManager implements CallbackManager {
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  start(done: Done): void {
    setImmediate(done);
  }

  stop(_force: boolean, done: Done): void {
    setImmediate(done);
  }

  clean(done: Done): void {
    setImmediate(() => {
      this.#store.clear();
      done();
    });
  }

  add(name: string, uid: string, sid: string, done: Done): void {
    setImmediate(() => {
      const sets = this.#store.get(name) ?? new Map<string, Set<string>>();
      const uids = sets.get(sid) ?? new Set();
      const joins = !uids.has(uid);
      this.#store.set(name, sets.set(sid, uids.add(uid)));
      done(null, joins);
    });
  }

  leave(name: string, uid: string, sid: string, done: Done): void {
    setImmediate(() => done(null, this.#store.get(name)?.get(sid)?.delete(uid) ?? false));
  }

  getMembersBySid(name: string, sid: string, done: Done): void {
    setImmediate(() => done(null, [...(this.#store.get(name)?.get(sid) ?? [])]));
  }

  destroyChannel(name: string, done: Done): void {
    setImmediate(() => {
      const count = [...(this.#store.get(name)?.values() ?? [])].reduce((total, { size }) => total + size, 0);
      this.#store.delete(name);
      done(null, count);
    });
  }
}

const cases = channelManagerConformance().filter((c) => missingCapabilities(c).length === 0);

test("there are cases for a manager without capabilities", (t) => {
  t.true(cases.length > 30);
});

for (const c of cases) {
  test(c.name, (t) =>
    t.notThrowsAsync(
      c.run(() => {
        const store: Store = new Map();
        return { open: () => new CallbackChannelManager(new LegacyManager(store)) };
      }),
    ),
  );
}
