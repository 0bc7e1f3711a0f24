import type { History, Life, Seen, Violation } from "../history.js";
import type { Disturbances } from "./disturbances.js";
import { groupBy, keyOf, type Memberships } from "./memberships.js";

/** How long after lease and grace the members of a dead frontend may still be there. */
const REMOVED_MS = 2500;

/** What each backend whose own connection is healthy is told of each membership. */
export function checkEvents(history: History, memberships: Memberships, disturbances: Disturbances): Violation[] {
  const violations: Violation[] = [];
  for (const observer of observersOf(history)) {
    const seen = history.seen.filter(({ backend }) => backend === observer.id);
    const byKey = groupBy(seen, ({ name, uid, sid }) => keyOf(name, uid, sid));
    for (const events of byKey.values()) violations.push(...checkTurns(events, observer.id, disturbances));
    for (const { life, key } of killedMemberships(history, memberships, disturbances, observer)) {
      violations.push(...checkServerDown(life, key, byKey.get(key) ?? [], observer.id, history));
    }
  }
  return violations;
}

/** How many `server-down` events have to be told. */
export function countKilled(history: History, memberships: Memberships, disturbances: Disturbances): number {
  return observersOf(history).flatMap((observer) => killedMemberships(history, memberships, disturbances, observer))
    .length;
}

/** The backends that live to tell. */
function observersOf({ lives }: History): Life[] {
  return lives.filter(({ role, end }) => role === "backend" && end === undefined);
}

function violation(message: string, name: string, uid: string, sid: string): Violation {
  return { invariant: "5 events", message, about: { name, uid, sid } };
}

/** Joins and leaves take turns, but for what may have been missed in between. */
function checkTurns(events: readonly Seen[], observer: string, disturbances: Disturbances): Violation[] {
  return events.flatMap((event, index) => {
    const before = events[index - 1];
    if (!before || before.type !== event.type || disturbances.between(before.at, event.at, [observer])) return [];
    const { type, name, uid, sid, reason } = event;
    return [
      violation(
        `${observer} was told ${type} of ${uid}@${sid} in ${name} twice (${before.reason}, ${reason})`,
        name,
        uid,
        sid,
      ),
    ];
  });
}

/** The memberships that were certain when their frontend was killed, and that nobody but a cleaner can have taken out. */
function killedMemberships(history: History, memberships: Memberships, disturbances: Disturbances, observer: Life) {
  const killed = history.lives.filter(
    ({ role, end, endAt }) => role === "frontend" && end === "killed" && endAt! < history.endAt,
  );
  return killed.flatMap((life) => {
    const until = removedBy(life, history);
    if (observer.startAt + 1000 > life.endAt! || until > history.endAt) return [];
    // Of the frontend itself only what was before: it is the kill that is looked at.
    if (disturbances.between(life.endAt!, until, [observer.id])) return [];
    const kill = disturbances.of(life.id).find(({ fault }) => fault.kind === "kill-frontend")?.fault;
    if (disturbances.between(life.endAt! - 1, life.endAt!, [life.id], kill)) return [];
    return memberships.keys
      .map((key) => ({ life, key, parts: key.split("\n") as [string, string, string] }))
      .filter(
        ({ parts: [name, uid, sid] }) =>
          sid === life.sid &&
          memberships.isCertain(name, uid, sid, life.endAt!, life.endAt!) &&
          !history.changes.some(
            (change) =>
              change.name === name &&
              change.uid === uid &&
              change.sid === sid &&
              change.end > life.endAt! &&
              change.start < until,
          ),
      );
  });
}

function checkServerDown(
  life: Life,
  key: string,
  events: readonly Seen[],
  observer: string,
  history: History,
): Violation[] {
  const [name, uid, sid] = key.split("\n") as [string, string, string];
  const told = events.filter(
    ({ type, reason, at }) =>
      type === "leave" && reason === "server-down" && at > life.endAt! && at < removedBy(life, history),
  );
  if (told.length === 1) return [];
  return [
    violation(
      `${observer} was told ${told.length} times that ${uid}@${sid} left ${name} as ${life.id} was killed`,
      name,
      uid,
      sid,
    ),
  ];
}

/** When nothing may be left of a frontend that was killed. */
function removedBy({ endAt }: Life, { leaseMs, graceMs }: History): number {
  return endAt! + leaseMs + graceMs + REMOVED_MS;
}
