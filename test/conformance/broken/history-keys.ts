import type { Appended, ChannelHistory, HistoryAppend } from "../../../src/types.js";
import { type Broken, turn } from "./broken.js";
import { answering, appending, broken } from "./history.js";

const keyed = (append: HistoryAppend, key: (key: string, names: readonly string[]) => string): HistoryAppend => ({
  ...append,
  idempotencyKey: append.idempotencyKey && key(append.idempotencyKey, append.entry.names),
});

export const brokenKeys: readonly Broken<ChannelHistory>[] = [
  appending("forgets keys", (append) => ({ ...append, idempotencyKey: undefined }), ["append", "settle"]),
  broken("knows a key, and keeps the message all the same", ["append"], (sound) => ({
    append(append) {
      const { repeated, positions } = sound.append(append);
      if (repeated !== undefined) sound.append({ ...append, idempotencyKey: undefined });
      return { repeated, positions };
    },
  })),
  answering("an append that is repeated has no positions", ({ positions, repeated }) =>
    repeated === undefined ? { positions } : { positions: [], repeated },
  ),
  broken("a key is looked for first, and remembered later", ["append"], (sound) => {
    const known = new Set<string>();
    return {
      appendsAtOnce: false,
      async append(append) {
        if (append.idempotencyKey === undefined || known.has(append.idempotencyKey)) return sound.append(append);
        await turn();
        known.add(append.idempotencyKey);
        return sound.append({ ...append, idempotencyKey: undefined });
      },
    };
  }),
  broken("of several with one key each channel keeps the one that came to it first", ["append"], (sound) => {
    let calls = 0;
    return {
      appendsAtOnce: false,
      async append(append) {
        const { names } = append.entry;
        if (append.idempotencyKey === undefined || names.length < 2) return sound.append(append);
        const found = new Map<string, Appended>();
        for (const name of calls++ % 2 === 0 ? names : names.toReversed()) {
          found.set(name, sound.append({ ...append, entry: { ...append.entry, names: [name] } }));
          await turn();
        }
        return { ...found.get(names[0]!)!, positions: names.flatMap((name) => found.get(name)!.positions) };
      },
    };
  }),
  appending("a key counts only where something is kept", (append) =>
    append.limits.some(Boolean) ? append : { ...append, idempotencyKey: undefined },
  ),
  broken("only the channels that keep it now have positions", ["append"], (sound) => ({
    append(append) {
      const { positions, repeated } = sound.append(append);
      const { names } = append.entry;
      return { positions: positions.filter(({ name }) => append.limits[names.indexOf(name)]), repeated };
    },
  })),
  broken("settle does nothing", ["settle"], () => ({ settle: () => {} })),
  broken("outcomes are one line", ["settle"], (sound) => ({
    settle: (names, key, outcome) => sound.settle(names, key, outcome?.split("\n")[0]),
  })),
  broken("settle makes a key known", ["settle"], (sound) => ({
    settle(names, idempotencyKey, outcome) {
      const entry = { stype: "s", route: "r", body: "0", except: [], names };
      if (outcome !== undefined) sound.append({ entry, limits: [], idempotencyKey });
      sound.settle(names, idempotencyKey, outcome);
    },
  })),
  broken("settle makes a key last longer", ["append"], (sound) => ({
    settle(names, idempotencyKey, outcome) {
      const entry = { stype: "s", route: "r", body: "0", except: [], names };
      const { positions } = sound.append({ entry, limits: [], idempotencyKey });
      sound.settle(names, idempotencyKey, undefined);
      sound.append({ entry, limits: [], idempotencyKey });
      sound.settle(names, idempotencyKey, positions.length > 0 ? outcome : undefined);
    },
  })),
  broken("settle frees the key of every channel", ["settle"], (sound) => {
    const used: { names: readonly string[]; key: string }[] = [];
    return {
      append(append) {
        if (append.idempotencyKey) used.push({ names: append.entry.names, key: append.idempotencyKey });
        return sound.append(append);
      },
      settle(names, key, outcome) {
        const all = used.filter((one) => one.key === key);
        for (const one of outcome === undefined ? all : [{ names, key }]) sound.settle(one.names, key, outcome);
      },
    };
  }),
  broken("a key belongs to the first channel", ["append", "settle"], (sound) => {
    const first = (names: readonly string[]) => names.slice(0, 1);
    const appended = new Map<string, Appended>();
    return {
      append(append) {
        const id = JSON.stringify([append.idempotencyKey, ...first(append.entry.names)]);
        const known = append.idempotencyKey === undefined ? undefined : appended.get(id);
        if (known) return { ...known, repeated: "" };
        const result = sound.append(append);
        appended.set(id, result);
        return result;
      },
    };
  }),
  appending("a key has 8 characters", (append) => keyed(append, (key) => key.slice(0, 8))),
  broken("channels and keys are joined without care", ["append"], (sound) => {
    const appended = new Map<string, Appended>();
    return {
      append(append) {
        const id = `${append.entry.names.join(",")}:${append.idempotencyKey}`;
        const known = append.idempotencyKey === undefined ? undefined : appended.get(id);
        if (known) return { ...known, repeated: "" };
        const result = sound.append(append);
        appended.set(id, result);
        return result;
      },
    };
  }),
];
