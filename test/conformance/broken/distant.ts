import { setTimeout as sleep } from "node:timers/promises";
import { chunks } from "../../../src/batches.js";
import type { Harness } from "../../../src/conformance/index.js";
import { GlobalChannelError } from "../../../src/errors.js";
import { MemoryChannelManager } from "../../../src/managers/memory.js";
import type { ChangeListener, ChannelManager, MemberSetChange, Membership } from "../../../src/types.js";

/** How long a message takes from a manager to the store, or back, in milliseconds. */
const WAY_MS = 1;
/** How long it takes until a listener is told of a change, in milliseconds. */
const TELLING_MS = 4;
/** How long it takes to connect again, in milliseconds. */
const DOWN_MS = 5;
/** How many members one message holds. */
const BATCH = 100;

/** A manager's connection to the store, which breaks. */
export class Wire {
  /** Which connection this is: it is another one after each break. */
  #life = 0;
  #isDown = false;
  readonly #listeners = new Set<ChangeListener>();

  /** Does something at the store. What was on its way there when the connection breaks is not done; what is done may not be known. */
  async call<T>(run: () => T): Promise<T> {
    const life = this.#life;
    const check = () => (this.#isDown || life !== this.#life ? this.lost() : undefined);
    await check();
    await sleep(WAY_MS);
    await check();
    const result = run();
    await sleep(WAY_MS);
    await check();
    return result;
  }

  /** What a call meets whose connection broke. */
  lost(): Promise<never> {
    return Promise.reject(new GlobalChannelError("GC_STORE_UNAVAILABLE", "the connection was lost"));
  }

  listening(listener: ChangeListener): ChangeListener {
    this.#listeners.add(listener);
    const change = async (told: MemberSetChange) => {
      const life = this.#life;
      await sleep(TELLING_MS);
      if (!this.#isDown && life === this.#life) listener.change(told);
    };
    return { change: (told) => void change(told) };
  }

  close(): void {
    this.#life++;
    this.#isDown = true;
  }

  async cut(): Promise<void> {
    this.close();
    await sleep(DOWN_MS);
    this.#isDown = false;
    for (const listener of this.#listeners) this.tellGap(listener);
  }

  tellGap(listener: ChangeListener): void {
    listener.gap?.();
  }
}

type Calls = Record<string, (...args: never[]) => unknown>;

/** Managers each with a wire of its own to one store in memory; `change` makes methods of it anew. */
export function distant(
  makeWire: () => Wire = () => new Wire(),
  change: (store: MemoryChannelManager, wire: Wire) => Partial<ChannelManager> = () => ({}),
): Harness<ChannelManager> {
  const store = new MemoryChannelManager();
  const wires = new Set<Wire>();
  return {
    open() {
      const wire = makeWire();
      wires.add(wire);
      const calls: Calls = {
        stop: () => {
          wires.delete(wire);
          wire.close();
        },
        watch: (sid: string, listener: ChangeListener) => wire.call(() => store.watch(sid, wire.listening(listener))),
        watchAll: (listener: ChangeListener) => wire.call(() => store.watchAll(wire.listening(listener))),
        addMany: (members: Membership[], reason: never) =>
          inBatches(wire, members, (some) => store.addMany(some, reason)),
        leaveMany: (members: Membership[], reason: never) =>
          inBatches(wire, members, (some) => store.leaveMany(some, reason)),
        ...(change(store, wire) as Calls),
      };
      return new Proxy<ChannelManager>(store, {
        get(_target, key) {
          const member: unknown = Reflect.get(store, key);
          if (typeof key === "string" && calls[key]) return calls[key];
          if (typeof member !== "function") return member;
          return (...args: unknown[]) => wire.call(() => Reflect.apply(member, store, args) as unknown);
        },
      });
    },
    async interrupt() {
      await Promise.all([...wires].map((wire) => wire.cut()));
    },
  };
}

async function inBatches(
  wire: Wire,
  members: readonly Membership[],
  call: (some: readonly Membership[]) => number,
): Promise<number> {
  let count = 0;
  for (const some of chunks(members, BATCH)) count += await wire.call(() => call(some));
  return count;
}
