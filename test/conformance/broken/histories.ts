import { setTimeout as sleep } from "node:timers/promises";
import { KEPT_CHANNELS } from "../../../src/conformance/index.js";
import { MemoryChannelHistory } from "../../../src/histories/memory.js";
import type { Appended, ChannelHistory, HistoryAppend, HistoryPosition } from "../../../src/types.js";
import { type Broken, alter, turn } from "./broken.js";
import {
  answering,
  appending,
  broken,
  type Change,
  entriesOf,
  reading,
  withEntry,
  withSize,
  withTtl,
} from "./history.js";
import { brokenKeys } from "./history-keys.js";

const KEPT = KEPT_CHANNELS["kept:*"]!;

export const brokenHistories: readonly Broken<ChannelHistory>[] = [
  answering("every offset is one more than it is", (appended) => ({
    ...appended,
    positions: appended.positions.map((position) => ({ ...position, offset: position.offset + 1 })),
  })),
  answering("positions come in an order of their own", (appended) => ({
    ...appended,
    positions: appended.positions.toReversed(),
  })),
  broken("an offset is left out", ["append"], (sound) => {
    let count = 0;
    return {
      append(append) {
        if (++count % 3 === 0) sound.append({ ...append, idempotencyKey: undefined });
        return sound.append(append);
      },
      read(name, range) {
        const page = sound.read(name, range);
        const bodies = new Map(page.entries.map((entry) => [entry.body, entry]));
        return { ...page, entries: [...bodies.values()] };
      },
    };
  }),
  broken("looks first where the history ends, and keeps later", ["append", "positions, append"], (sound) => ({
    appendsAtOnce: false,
    async append(append) {
      const ends = sound.positions(append.entry.names);
      await turn();
      const { positions, repeated } = sound.append(append);
      const shown = positions.map((position) => {
        const end = ends[append.entry.names.indexOf(position.name)];
        return end ? { ...position, offset: end.offset + 1 } : position;
      });
      return { positions: shown, repeated };
    },
  })),
  broken("a push to several channels is kept later", ["append"], (sound) => ({
    appendsAtOnce: false,
    async append(append) {
      if (append.entry.names.length > 1) await turn();
      return sound.append(append);
    },
  })),
  broken("it gives a promise, and says that it does not", ["append"], (sound) => ({
    appendsAtOnce: true,
    append: async (append) => sound.append(append),
  })),
  broken("loses a message where many come", ["append", "read"], (sound) => {
    let count = 0;
    return {
      append(append) {
        const { positions, repeated } = sound.append(append);
        return ++count % 100 === 0 ? { positions: positions.slice(1), repeated } : { positions, repeated };
      },
      read(name, range) {
        const page = sound.read(name, range);
        return { ...page, entries: page.entries.filter(({ offset }) => offset % 100 !== 0) };
      },
    };
  }),
  appending("keeps a message for all channels if for one", (append) => {
    const some = append.limits.find(Boolean);
    return { ...append, limits: append.limits.map(() => some) };
  }),
  broken("keeps what limitsOf says, whatever the push says", ["append"], (sound) => ({
    append: (append) =>
      sound.append({
        ...append,
        limits: append.limits.map((limits, index) => limits ?? sound.limitsOf(append.entry.names[index]!)),
      }),
  })),
  broken("a message like the last one is kept once", ["append"], (sound) => {
    let last: { text: string; appended: Appended } | undefined;
    return {
      append(append) {
        const text = JSON.stringify(append);
        if (last?.text !== text) last = { text, appended: sound.append(append) };
        return last.appended;
      },
    };
  }),
  broken("forgets everything when an instance stops", ["append"], (sound) => ({
    stop: () => ["room", "hall"].forEach((name) => sound.remove(name)),
  })),
  broken("keeps less than it says", ["limitsOf"], (sound) => ({
    limitsOf: (name) => sound.limitsOf(name.toLowerCase()),
  })),
  appending(
    "trims one too many",
    withSize((size) => Math.max(1, size - 1)),
  ),
  appending(
    "trims one too few",
    withSize((size) => size + 1),
  ),
  appending(
    "keeps 100 at most",
    withSize((size) => Math.min(size, 100)),
    ["append", "read"],
  ),
  broken("the first size is that of all messages", ["append"], (sound) => {
    const sizes = new Map<string, number>();
    return {
      append: (append) =>
        sound.append({
          ...append,
          limits: append.limits.map((limits, index) => {
            const name = append.entry.names[index]!;
            if (limits && !sizes.has(name)) sizes.set(name, limits.size);
            return limits && { ...limits, size: sizes.get(name)! };
          }),
        }),
    };
  }),
  appending(
    "messages are kept for ever",
    withTtl((ttlMs) => 50 * ttlMs),
  ),
  appending(
    "messages are kept for half of the time",
    withTtl((ttlMs) => ttlMs / 2),
  ),
  broken("the epoch ends with the messages", ["append"], (sound) => ({
    read(name, range) {
      const page = sound.read(name, range);
      if (page.entries.length === 0 && page.position && sound.read(name, { ...range, after: 0 }).entries.length === 0) {
        sound.remove(name);
      }
      return sound.read(name, range);
    },
  })),
  broken("an epoch that is over comes back", ["append", "remove"], (sound) => {
    const epochs = new Map<string, string>();
    const withEpoch = <P extends { epoch: string }>(name: string, position: P): P => {
      if (!epochs.has(name)) epochs.set(name, position.epoch);
      return { ...position, epoch: epochs.get(name)! };
    };
    return {
      append(append) {
        const { positions, repeated } = sound.append(append);
        return { positions: positions.map((position) => withEpoch(position.name, position)), repeated };
      },
      positions: (names) =>
        sound.positions(names).map((position, index) => position && withEpoch(names[index]!, position)),
      read(name, range) {
        const page = sound.read(name, range);
        return { ...page, position: page.position && withEpoch(name, page.position) };
      },
    };
  }),
  reading(
    "times are in whole seconds",
    entriesOf(({ at }) => ({ at: Math.floor(at / 1000) * 1000 })),
  ),
  reading(
    "forgets who was left out",
    entriesOf(() => ({ except: [] })),
  ),
  reading(
    "forgets the id",
    entriesOf(() => ({ id: undefined })),
  ),
  reading(
    "a body is parsed and written anew",
    entriesOf(({ body }) => ({ body: rewritten(body) })),
  ),
  reading(
    "a large body is cut off",
    entriesOf(({ body }) => ({ body: body.slice(0, 65_536) })),
  ),
  reading(
    "1,000 uids are left out at most",
    entriesOf(({ except }) => ({ except: except.slice(0, 1_000) })),
  ),
  appending(
    "names are trimmed",
    withEntry(({ route, stype }) => ({ route: route.trim(), stype: stype.trim() })),
  ),
  broken("names that differ in case share a history", ["append, remove", "positions"], (sound) => ({
    append: (append) =>
      sound.append(withEntry(({ names }) => ({ names: names.map((name) => name.toLowerCase()) }))(append)),
    read: (name, range) => sound.read(name.toLowerCase(), range),
    remove: (name) => sound.remove(name.toLowerCase()),
    positions: (names) => sound.positions(names.map((name) => name.toLowerCase())),
  })),
  broken("ignores until", ["read"], (sound) => ({
    read: (name, range) => sound.read(name, { ...range, until: undefined }),
  })),
  broken("ignores after", ["read"], (sound) => ({ read: (name, range) => sound.read(name, { ...range, after: 0 }) })),
  broken("reads one too many", ["read"], (sound) => ({
    read: (name, range) => sound.read(name, { ...range, limit: range.limit + 1 }),
  })),
  broken("reads 500 at most, and says nothing of the others", ["read"], (sound) => ({
    read(name, range) {
      const { entries } = sound.read(name, { ...range, limit: 500 });
      return { position: entries.at(-1) && { epoch: "e", offset: entries.at(-1)!.offset }, entries };
    },
  })),
  broken("a read that is reversed begins at the oldest", ["read"], (sound) => ({
    read(name, range) {
      const { position, entries } = sound.read(name, { ...range, reverse: false });
      return { position, entries: range.reverse ? entries.toReversed() : entries };
    },
  })),
  broken("a read begins an epoch", ["read"], (sound) => ({
    read(name, range) {
      if (sound.limitsOf(name)) sound.positions([name]);
      return sound.read(name, range);
    },
  })),
  broken("looks first where the history ends, and reads later", ["read"], (sound) => ({
    appendsAtOnce: false,
    append: async (append) => {
      await turn();
      return sound.append(append);
    },
    async read(name, range) {
      const { position } = sound.read(name, range);
      await turn();
      await turn();
      return { position, entries: sound.read(name, range).entries };
    },
  })),
  broken("positions begins every epoch", ["positions", "read"], (sound) => ({
    positions(names) {
      for (const name of names) {
        const append = { entry: { stype: "s", route: "r", body: "0", except: [], names: [name] }, limits: [KEPT] };
        if (!sound.positions([name])[0]) sound.append(append);
      }
      return sound.positions(names);
    },
  })),
  broken("positions knows no limits but its own", ["positions"], (sound) => ({
    positions: (names) => sound.positions(names),
  })),
  broken("positions begins none", ["positions"], (sound) => ({
    positions: (names) => names.map((name) => sound.read(name, { after: 0, limit: 1, reverse: false }).position),
  })),
  broken("an epoch that positions begins is another one with the first message", ["positions"], (sound) => ({
    append(append) {
      for (const name of append.entry.names) {
        if (sound.read(name, { after: 0, limit: 1, reverse: false }).position?.offset === 0) sound.remove(name);
      }
      return sound.append(append);
    },
  })),
  broken("positions gives those of other names in their order", ["positions"], (sound) => ({
    positions(names) {
      const sorted = names.toSorted();
      return sound.positions(sorted);
    },
  })),
  broken("positions leaves out a name that was there", ["positions"], (sound) => ({
    positions: (names) => sound.positions([...new Set(names)]),
  })),
  broken("several callers of positions each begin an epoch", ["positions", "positions, append"], (sound) => ({
    async positions(names) {
      const isNew = names.map((name) => !sound.read(name, { after: 0, limit: 1, reverse: false }).position);
      await turn();
      for (const [index, name] of names.entries()) if (isNew[index]) sound.remove(name);
      return sound.positions(names);
    },
  })),
  broken("remove does nothing", ["remove", "append, remove"], () => ({ remove: () => {} })),
  broken("an epoch goes on with what was removed", ["remove"], (sound) => {
    const former: HistoryPosition[] = [];
    return {
      remove(name) {
        former.push(...sound.positions([name]).filter((position) => position !== undefined));
        sound.remove(name);
      },
      read: (name, range) => ({ ...sound.read(name, range), former }),
    };
  }),
  broken("remove removes what begins with the name", ["remove"], (sound) => ({
    remove(name) {
      for (const other of ["room", "hall"]) if (other.startsWith(name)) sound.remove(other);
    },
  })),
  broken("remove takes the messages away later", ["remove"], (sound) => {
    const gone = new Map<string, number>();
    return {
      async remove(name) {
        sound.remove(name);
        await turn();
        gone.set(name, sound.positions([name])[0]?.offset ?? 0);
      },
      read(name, range) {
        const page = sound.read(name, range);
        return { ...page, entries: page.entries.filter(({ offset }) => offset > (gone.get(name) ?? 0)) };
      },
      async append(append) {
        await turn();
        return sound.append(append);
      },
      appendsAtOnce: false,
    };
  }),
  ...brokenKeys,
  broken("an interruption doubles the next append", ["interruption"], ...doubling()),
  {
    does: "the end of an instance loses what it has kept last",
    topics: ["stop"],
    make() {
      const sound = new MemoryChannelHistory({ channels: KEPT_CHANNELS });
      return {
        open: () => {
          let isOver = false;
          return alter<ChannelHistory>(sound, () => ({
            stop: () => void (isOver = true),
            appendsAtOnce: false,
            async append(append: HistoryAppend) {
              const { positions } = sound.append(append);
              await sleep(5);
              if (isOver) sound.remove("room");
              return { positions };
            },
          }));
        },
      };
    },
  },
];

function rewritten(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body));
  } catch {
    return body;
  }
}

/** Its instances, and what breaks their connections. */
function doubling(): [Change, () => void] {
  let isBroken = false;
  const change: Change = (sound) => ({
    append(append) {
      if (isBroken) sound.append({ ...append, idempotencyKey: undefined });
      isBroken = false;
      return sound.append(append);
    },
  });
  return [change, () => void (isBroken = true)];
}
