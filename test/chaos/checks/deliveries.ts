import type { Connection, History, Life, Push, Violation } from "../history.js";
import type { Disturbances } from "./disturbances.js";
import { groupBy, type Memberships } from "./memberships.js";

/** How long before its end a connection may have lost what was written to it, also after a time in which its frontend was stopped. */
const IN_FLIGHT_MS = 8000;

/** For how long what is delivered may still be in its frontend: one that is stopped or killed meanwhile keeps it. */
const HANDED_OVER_MS = 100;

/** How long a frontend may take to notice that a client has gone. */
const NOTICED_MS = 500;

interface Reception {
  push: number;
  at: number;
  connection: Connection;
}

/** Who gets a push: nobody twice, nobody who should not, everybody who should, and as many as the report says. */
export function checkDeliveries(history: History, memberships: Memberships, disturbances: Disturbances): Violation[] {
  const receptions = history.connections.flatMap((connection) =>
    connection.received.map(({ push, at }) => ({ push, at, connection })),
  );
  const byPush = groupBy(receptions, ({ push }) => String(push));
  const bySid = groupBy(history.connections, ({ sid }) => sid);
  return [...history.pushes, ...history.final.pushes].flatMap((push) => {
    const got = byPush.get(String(push.id)) ?? [];
    return [
      ...findTwice(push, got),
      ...findOutlived(push, got, history.lives, disturbances),
      ...findUncalled(push, got, memberships),
      ...findMissed(push, got, history, memberships, disturbances),
      ...findLies(push, got, bySid, disturbances),
    ];
  });
}

function violation(push: Push, message: string, about: Omit<Violation["about"], "push">): Violation {
  const [name] = "names" in push.audience ? push.audience.names : [];
  return {
    invariant: "2 deliveries",
    message: `push ${push.id} ${message}`,
    about: { push: push.id, ...(name !== undefined && { name }), ...about },
  };
}

function findTwice(push: Push, got: readonly Reception[]): Violation[] {
  const violations: Violation[] = [];
  const connections = new Set<Connection>();
  for (const { connection } of got) {
    const { id, uid, sid } = connection;
    if (connections.has(connection))
      violations.push(violation(push, `came twice to connection ${id} of ${uid}`, { uid, sid }));
    connections.add(connection);
  }
  return violations;
}

/**
 * No frontend delivers what was called for after another one had taken its place, unless Redis has lost everything since: then
 * the place is whose that comes first.
 */
function findOutlived(
  push: Push,
  got: readonly Reception[],
  lives: readonly Life[],
  { losses }: Disturbances,
): Violation[] {
  const isLost = (since: number): boolean =>
    losses.some(({ target, from, to }) => target === "redis" && to > since && from < push.end);
  return got.flatMap(({ connection: { uid, sid, frontend } }) => {
    const mine = lives.findIndex(({ id }) => id === frontend);
    const next = lives.find(
      (life, index) =>
        index > mine && life.sid === sid && (life.joinedAt ?? Infinity) < push.start && !isLost(life.joinedAt!),
    );
    if (!next) return [];
    return [violation(push, `came to ${uid} from ${frontend}, when ${next.id} had its place`, { uid, sid })];
  });
}

/** Whoever gets a push was a member at some moment from its call on, and is not one of those left out. */
function findUncalled(push: Push, got: readonly Reception[], memberships: Memberships): Violation[] {
  const { audience, except, start } = push;
  return got.flatMap(({ at, connection: { uid, sid } }) => {
    const isCalled =
      "everyone" in audience ||
      ("uids" in audience
        ? audience.uids.includes(uid)
        : audience.names.some((name) => memberships.isPossible(name, uid, sid, start, at)));
    if (except.includes(uid)) return [violation(push, `came to ${uid}, who was left out`, { uid, sid })];
    return isCalled ? [] : [violation(push, `came to ${uid} at ${sid}, who was no member`, { uid, sid })];
  });
}

/** Whoever was a member all the time, where all was well, gets it. */
function findMissed(
  push: Push,
  got: readonly Reception[],
  { endAt }: History,
  memberships: Memberships,
  disturbances: Disturbances,
): Violation[] {
  return mustGet(push, endAt, memberships, disturbances)
    .filter(({ uid, sid }) => !got.some(({ connection }) => connection.uid === uid && connection.sid === sid))
    .map(({ uid, sid }) => violation(push, `never came to ${uid} at ${sid}, who was a member`, { uid, sid }));
}

/** The members that a push cannot have missed. */
export function mustGet(push: Push, endAt: number, memberships: Memberships, disturbances: Disturbances) {
  const { audience, except, start, end, backend } = push;
  if (!("names" in audience)) return [];
  // One whose backend died has no end.
  const until = Math.min(end, Math.max(start, endAt));
  return memberships.keys
    .map((key) => key.split("\n") as [name: string, uid: string, sid: string])
    .filter(([name, uid, sid]) => {
      if (!audience.names.includes(name) || except.includes(uid)) return false;
      const stay = memberships.stayAt(uid, sid, start);
      return (
        stay !== undefined &&
        stay.to > until &&
        memberships.isCertain(name, uid, sid, start, until) &&
        !disturbances.between(start, until, [backend]) &&
        !disturbances.between(start, until + HANDED_OVER_MS, [stay.frontend])
      );
    })
    .map(([, uid, sid]) => ({ uid, sid }));
}

/** What the report says of each frontend agrees with how many users there have got it. */
function findLies(
  push: Push,
  got: readonly Reception[],
  bySid: ReadonlyMap<string, Connection[]>,
  disturbances: Disturbances,
): Violation[] {
  return (push.outcome?.report?.frontends ?? []).flatMap(({ sid, targeted, delivered, unknown }) => {
    const there = got.filter(({ connection }) => connection.sid === sid);
    const receivers = new Set(there.map(({ connection }) => connection.uid));
    const broken = (bySid.get(sid) ?? []).filter(
      (connection) => !receivers.has(connection.uid) && mayLose(push, connection, disturbances),
    );
    const lost = new Set(broken.map(({ uid }) => uid)).size;
    const counts = `${delivered} of ${targeted} delivered, ${unknown} unknown, and ${receivers.size} users got it`;
    if (delivered > receivers.size + lost) {
      return [violation(push, `was said to reach more at ${sid} than it did: ${counts}`, { sid })];
    }
    // Whoever has left before a frontend that does not answer was asked for its members is not counted as unknown.
    if (targeted > 0 && unknown === 0 && receivers.size > delivered) {
      return [violation(push, `reached more at ${sid} than it was said to: ${counts}`, { sid })];
    }
    return [];
  });
}

/** Whether a push may have been written to a connection that broke before it came. */
function mayLose(push: Push, { frontend, triedAt, closingAt }: Connection, disturbances: Disturbances): boolean {
  if (closingAt === undefined || triedAt > push.end || closingAt > push.end + IN_FLIGHT_MS) return false;
  const noticedAt = closingAt + NOTICED_MS;
  // A frontend that was stopped learns only then that a client has gone.
  const wasStopped = disturbances.of(frontend).some(({ fault }) => fault.from < noticedAt && fault.to > push.start);
  return noticedAt > push.start || wasStopped;
}
