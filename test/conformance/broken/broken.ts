import type { Harness } from "../../../src/conformance/index.js";

/** An implementation that breaks its contract in one way, which the suite must find. */
export interface Broken<T> {
  /** What it does wrong. */
  does: string;
  /** The topics that it spoils, as the cases' names begin; every topic if it is left out. */
  topics?: readonly string[];
  /** A fresh one. */
  make(): Harness<T>;
}

/** Gives the one instance to everyone, as memory does. */
export function same<T>(instance: T): Harness<T> {
  return { open: () => instance };
}

/** `sound`, but for what `change` makes anew of it. */
export function alter<T extends object>(sound: T, change: (sound: T) => object): T {
  const changed = change(sound);
  return new Proxy(sound, {
    get(_target, key) {
      const member: unknown = key in changed ? Reflect.get(changed, key) : Reflect.get(sound, key);
      return typeof member === "function"
        ? (...args: unknown[]) => Reflect.apply(member, sound, args) as unknown
        : member;
    },
  });
}

/** Lets whoever else waits go first. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
