import type { ChannelManager, MemberSetChange } from "../../../src/types.js";
import { isFirst } from "../../../src/version.js";
import type { Broken } from "./broken.js";
import { broken } from "./manager.js";

/** Passes changes on to the listeners as `change` makes them. */
function telling(
  does: string,
  topics: readonly string[],
  change: () => (change: MemberSetChange) => readonly MemberSetChange[],
): Broken<ChannelManager> {
  const listening = (listener: { change(change: MemberSetChange): void }) => {
    const told = change();
    return { change: (original: MemberSetChange) => told(original).forEach((item) => listener.change(item)) };
  };
  return broken(does, topics, (sound) => ({
    watch: (sid, listener) => sound.watch(sid, listening(listener)),
    watchAll: (listener) => sound.watchAll(listening(listener)),
  }));
}

export const brokenWatches = [
  telling("changes are told twice", ["watch", "watchAll"], () => (change) => [change, change]),
  telling("the third change is lost", ["watch", "watchAll"], () => {
    let count = 0;
    return (change) => (++count === 3 ? [] : [change]);
  }),
  telling("every change is lost", ["watch", "watchAll", "evict", "readMemberSet"], () => () => []),
  telling("changes are told in pairs, the later one first", ["watch", "readMemberSet"], () => {
    let held: MemberSetChange | undefined;
    return (change) => {
      const told = held ? [change, held] : [];
      held = held ? undefined : change;
      return told;
    };
  }),
  telling("bulk changes are told for one member only", ["watch", "watchAll", "evict"], () => (change) => [
    change.type === "clear" ? change : { ...change, uids: change.uids.slice(0, 1) },
  ]),
  telling("every reason is the usual one", ["watch", "watchAll", "evict"], () => (change) => [
    change.type === "join"
      ? { ...change, reason: "join" }
      : change.type === "leave"
        ? { ...change, reason: "leave" }
        : change,
  ]),
  telling("names are told in lower case", ["watch"], () => (change) => [
    { ...change, name: change.name.toLowerCase() },
  ]),
  telling("an add of a member is told as a join", ["watch", "watchAll"], () => {
    let last: readonly string[] = [];
    return (change) => {
      if (change.type === "join" && change.uids.length > 0) last = change.uids;
      return [change.type === "join" ? { ...change, uids: last } : change];
    };
  }),
  telling(
    "the end of a channel is told without its members",
    ["watch", "watchAll"],
    () => (change) => (change.type === "leave" && change.version === undefined ? [] : [change]),
  ),
  telling("an empty set goes on in its old epoch", ["watch"], () => {
    let count = 0;
    return (change) => (change.type === "clear" ? [change] : [{ ...change, version: `e.${++count}` }]);
  }),
  telling("nothing says where channels begin and end", ["watchAll"], () => (change) => [
    { ...change, created: undefined, emptied: undefined } as unknown as MemberSetChange,
  ]),
  telling("the end of a channel does not empty it", ["watchAll"], () => (change) => [
    change.type === "clear" ? { type: "clear", name: change.name, sid: change.sid } : change,
  ]),
  telling("a channel begins at each frontend where it gets a first member", ["watchAll"], () => (change) => [
    change.type === "join" && isFirst(change.version) ? { ...change, created: true } : change,
  ]),
  telling("every leave empties its channel", ["watchAll"], () => (change) => [
    change.type === "leave" ? { ...change, emptied: true } : change,
  ]),
  broken("what a listener changes is told to others before what it was told of", ["watch"], (sound) => {
    const listeners: { change(change: MemberSetChange): void }[] = [];
    const tell = (change: MemberSetChange) => listeners.forEach((listener) => listener.change(change));
    let counter = 0;
    return {
      watch(_sid, listener) {
        listeners.push(listener);
        return () => {};
      },
      add(name, uid, sid) {
        const isNew = sound.add(name, uid, sid);
        tell({ type: "join", name, sid, version: `e.${++counter}`, uids: [uid], reason: "join" });
        return isNew;
      },
    };
  }),
  broken("watch tells of every frontend", ["watch"], (sound) => ({
    watch: (_sid, listener) => sound.watchAll(listener),
  })),
  broken("a watch has no end", ["watch", "watchAll"], (sound) => ({
    watch(sid, listener) {
      void sound.watch(sid, listener);
      return () => {};
    },
    watchAll(listener) {
      void sound.watchAll(listener);
      return () => {};
    },
  })),
  broken("the end of one watch ends a later one", ["watch", "watchAll"], (sound) => {
    const watching = new Map<object, () => unknown>();
    return {
      watch(sid, listener) {
        watching.set(listener, sound.watch(sid, { change: (change) => listener.change(change) }));
        return () => void watching.get(listener)?.();
      },
      watchAll(listener) {
        watching.set(listener, sound.watchAll({ change: (change) => listener.change(change) }));
        return () => void watching.get(listener)?.();
      },
    };
  }),
];
