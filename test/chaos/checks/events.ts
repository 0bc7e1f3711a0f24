import type { Edge, History, Life, Seen, Violation } from "../history.js";
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
    const edges = history.edges.filter(({ backend }) => backend === observer.id);
    for (const ofChannel of groupBy(edges, ({ name }) => name).values())
      violations.push(...checkEdges(ofChannel, observer.id, disturbances, history));
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

function violation(message: string, name: string, uid?: string, sid?: string): Violation {
  const about = { name, ...(uid !== undefined && { uid }), ...(sid !== undefined && { sid }) };
  return { invariant: "5 events", message, about };
}

/** Joins and leaves take turns, but for what may have been missed in between. */
function checkTurns(events: readonly Seen[], observer: string, disturbances: Disturbances): Violation[] {
  return outOfTurn(events, observer, disturbances).map(([before, { type, name, uid, sid, reason }]) =>
    violation(
      `${observer} was told ${type} of ${uid}@${sid} in ${name} twice (${before.reason}, ${reason})`,
      name,
      uid,
      sid,
    ),
  );
}

/** Beginnings and ends of a channel take turns, and the last one says whether it has members. */
function checkEdges(
  edges: readonly Edge[],
  observer: string,
  disturbances: Disturbances,
  history: History,
): Violation[] {
  const twice = outOfTurn(edges, observer, disturbances).map(([, { type, name }]) =>
    violation(`${observer} was told ${type} of ${name} twice`, name),
  );
  const last = edges.at(-1)!;
  const { members = [] } = history.final.after.find(({ name }) => name === last.name) ?? {};
  const isRight = (last.type === "channel-created") === members.length > 0;
  if (isRight || disturbances.between(last.at, history.endAt, [observer])) return twice;
  const message = `${observer} was told ${last.type} of ${last.name} last, which has ${members.length} members`;
  return [...twice, violation(message, last.name)];
}

/** The events that are of the same type as the one before, where nothing can have been missed in between. */
function outOfTurn<T extends { type: string; at: number }>(
  events: readonly T[],
  observer: string,
  disturbances: Disturbances,
): [before: T, event: T][] {
  return events.flatMap((event, index): [T, T][] => {
    const before = events[index - 1];
    if (!before || before.type !== event.type || disturbances.between(before.at, event.at, [observer])) return [];
    return [[before, event]];
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
          ![
            ...history.changes.filter((change) => change.uid === uid && change.sid === sid),
            ...history.destructions,
          ].some((call) => call.name === name && call.end > life.endAt! && call.start < until),
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
