import type { Call, Change, Connection, History, Life, Push, Reading } from "../history.js";

/** Times of the samples: from here on a little happens, and at the end all is read. */
export const START = 100_000;
export const END = 200_000;

/** The push after which all is read again. */
export const LAST = 2;

const BACKEND: Life = { id: "backend-1#1", role: "backend", startAt: 0, clockMs: 0 };
const FRONTEND: Life = { id: "s1#1", role: "frontend", sid: "s1", startAt: 0, clockMs: 0 };

/** Ann and Bob have sessions at `s1` and are members of `room`; a push goes to both. Nothing is wrong with it. */
export function goodHistory(changed: Partial<History> = {}): History {
  const sids = new Map([
    ["ann", ["s1"]],
    ["bob", ["s1"]],
  ]);
  const reading: Reading = {
    backend: "backend-1#1",
    name: "room",
    start: END,
    end: END + 5,
    members: ["ann@s1", "bob@s1"],
  };
  return {
    startAt: START,
    endAt: END,
    leaseMs: 1500,
    graceMs: 2000,
    changes: [join("ann", START), join("bob", START)],
    destructions: [],
    pushes: [push(1, START + 100)],
    connections: [connection(1, "ann", [1, LAST]), connection(2, "bob", [1, LAST])],
    lives: [BACKEND, FRONTEND],
    faults: [],
    seen: ["ann", "bob"].map((uid) => ({
      backend: "backend-1#1",
      at: START + 5,
      type: "join",
      name: "room",
      uid,
      sid: "s1",
      reason: "join",
    })),
    edges: [],
    readings: [],
    final: { before: [reading], after: [reading], pushes: [push(LAST, END + 10)], sids, leftovers: [] },
    ...changed,
  };
}

export function join(uid: string, start: number, changed: Partial<Change> = {}): Change {
  const where = { name: "room", uid, sid: "s1", backend: "backend-1#1" };
  return { type: "join", ...where, start, end: start + 10, status: "ok", changed: true, ...changed };
}

export function leave(uid: string, start: number, changed: Partial<Change> = {}): Change {
  return join(uid, start, { type: "leave", ...changed });
}

export function destroy(start: number, changed: Partial<Call> = {}): Call {
  return { name: "room", backend: "backend-1#1", start, end: start + 10, status: "ok", ...changed };
}

/** A push to `room` that two users at `s1` have got. */
export function push(id: number, start: number, changed: Partial<Push> = {}): Push {
  const counts = { targeted: 2, delivered: 2, failed: 0, unknown: 0 };
  const report = { ...counts, unlisted: 0, failIds: [], frontends: [{ sid: "s1", ...counts }] };
  const outcome = { report, lateMs: 0, blockedMs: 0 };
  const call = { backend: "backend-1#1", audience: { names: ["room"] }, except: [] };
  return { id, ...call, start, end: start + 10, outcome, callbacks: 1, ...changed };
}

/** A connection at `s1` that got these pushes, one a millisecond, but the last one when that was called. */
export function connection(
  connectionId: number,
  uid: string,
  pushes: readonly number[],
  changed: Partial<Connection> = {},
): Connection {
  const received = pushes.map((id, index) => ({
    push: id,
    at: id === LAST ? END + 12 : START + 105 + index,
  }));
  return {
    id: connectionId,
    uid,
    sid: "s1",
    frontend: "s1#1",
    triedAt: START - 20,
    openAt: START - 10,
    received,
    ...changed,
  };
}
