import { KEPT_CHANNELS } from "../../../src/conformance/index.js";
import { MemoryChannelHistory } from "../../../src/histories/memory.js";
import type { Appended, ChannelHistory, HistoryAppend, HistoryPage, KeptEntry } from "../../../src/types.js";
import { setAhead } from "../../support/own-clock.js";
import { type Broken, alter, same } from "./broken.js";

export type Change = (sound: MemoryChannelHistory) => Partial<ChannelHistory>;

/** @param interrupt what an interruption does beside */
export function broken(
  does: string,
  topics: readonly string[],
  change: Change,
  interrupt?: (sound: MemoryChannelHistory) => void,
): Broken<ChannelHistory> {
  return {
    does,
    topics,
    make() {
      const sound = new MemoryChannelHistory({ channels: KEPT_CHANNELS });
      return {
        ...same(alter<ChannelHistory>(sound, () => change(sound))),
        advance: setAhead,
        interrupt: () => interrupt?.(sound),
      };
    },
  };
}

/** What it appends is something else. */
export const appending = (does: string, change: (append: HistoryAppend) => HistoryAppend, topics = ["append"]) =>
  broken(does, topics, (sound) => ({ append: (append) => sound.append(change(append)) }));

/** What it says of an append is something else. */
export const answering = (does: string, change: (appended: Appended) => Appended) =>
  broken(does, ["append"], (sound) => ({ append: (append) => change(sound.append(append)) }));

/** What it reads is something else. */
export const reading = (does: string, change: (page: HistoryPage) => HistoryPage, topics = ["read", "append"]) =>
  broken(does, topics, (sound) => ({ read: (name, range) => change(sound.read(name, range)) }));

export const entriesOf = (change: (entry: KeptEntry) => Partial<KeptEntry>) => (page: HistoryPage) => ({
  ...page,
  entries: page.entries.map((entry) => ({ ...entry, ...change(entry) })),
});

export const withEntry =
  (change: (entry: HistoryAppend["entry"]) => Partial<HistoryAppend["entry"]>) => (append: HistoryAppend) => ({
    ...append,
    entry: { ...append.entry, ...change(append.entry) },
  });

export const withSize = (change: (size: number) => number) => (append: HistoryAppend) => ({
  ...append,
  limits: append.limits.map((limits) => limits && { ...limits, size: change(limits.size) }),
});

export const withTtl = (change: (ttlMs: number) => number) => (append: HistoryAppend) => ({
  ...append,
  limits: append.limits.map((limits) => limits && { ...limits, ttlMs: change(limits.ttlMs) }),
});
