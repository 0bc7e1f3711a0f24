import type { History, Reading, Violation } from "../history.js";
import { at, type Memberships } from "./memberships.js";

/** How long after the end of its lease a dead frontend may still be read or pushed to. */
const NOTICED_MS = 1000;

/** Who is a member at the end, and that nobody at a dead frontend is counted on the way. */
export function checkMembership(history: History, memberships: Memberships): Violation[] {
  return [
    ...checkGhosts(history),
    ...history.final.before.flatMap((reading) => checkReading(reading, history, memberships, "before")),
    ...history.final.after.flatMap((reading) => checkReading(reading, history, memberships, "after")),
    ...checkAgreement(history),
    ...checkLastPushes(history),
    ...checkSids(history),
    ...history.final.leftovers.map((leftover) => violation(`Redis still has ${leftover}`, {})),
  ];
}

function violation(message: string, about: Violation["about"]): Violation {
  return { invariant: "4 membership", message, about };
}

/** No read and no push counts the members of a frontend whose lease has ended. */
function checkGhosts({ readings, pushes, lives, faults, leaseMs }: History): Violation[] {
  // What it had sent to a Redis that was stopped is done when Redis goes on.
  const lastSign = (goneAt: number): number =>
    Math.max(
      goneAt,
      ...faults
        .filter(({ target, from, to }) => target === "redis" && from < goneAt && to > goneAt)
        .map(({ to }) => to),
    );
  const isDead = (sid: string, from: number, to: number): boolean => {
    const there = lives.filter((life) => life.sid === sid);
    // Of one that has just started, nobody knows when exactly it became alive.
    return there.every(
      ({ startAt, goneAt = Infinity }) => startAt > to || lastSign(goneAt) + leaseMs + NOTICED_MS < from,
    );
  };
  return [
    ...readings.flatMap(({ name, start, end, members }) =>
      members
        .filter((member) => isDead(member.split("@")[1]!, start, end))
        .map((member) => violation(`${member} was read as a member of ${name}, and its frontend is dead`, { name })),
    ),
    ...pushes.flatMap(({ id, start, end, outcome }) =>
      (outcome?.report?.frontends ?? [])
        .filter(({ sid }) => isDead(sid, start, end))
        .map(({ sid }) => violation(`push ${id} targeted ${sid}, which is dead`, { push: id, sid })),
    ),
  ];
}

function checkReading(
  { backend, name, end, members }: Reading,
  history: History,
  memberships: Memberships,
  when: "before" | "after",
): Violation[] {
  const violations: Violation[] = [];
  const found = new Set(members);
  for (const key of memberships.keys) {
    const [channel, uid, sid] = key.split("\n") as [string, string, string];
    if (channel !== name) continue;
    const place = at(uid, sid);
    const about = { name, uid, sid };
    const hasSession = memberships.stayAt(uid, sid, history.endAt)?.to === Infinity;
    if (found.has(place)) {
      const mayBe = hasSession
        ? memberships.isPossible(name, uid, sid, history.endAt, history.endAt)
        : when === "before" && memberships.mayLackSession(name, uid, sid);
      if (!mayBe)
        violations.push(
          violation(`${backend} reads ${place} in ${name} ${when} the last push, who must not be there`, about),
        );
    } else if (hasSession && memberships.isCertain(name, uid, sid, end, end)) {
      violations.push(
        violation(`${backend} does not read ${place} in ${name} ${when} the last push, who must be there`, about),
      );
    }
    found.delete(place);
  }
  for (const place of found)
    violations.push(violation(`${backend} reads ${place} in ${name}, who was never added`, { name }));
  return violations;
}

/** Every backend reads the same. */
function checkAgreement({ final: { after } }: History): Violation[] {
  return after.flatMap((reading) => {
    const first = after.find(({ name }) => name === reading.name)!;
    const same = first.members.toSorted().join() === reading.members.toSorted().join();
    return same
      ? []
      : [
          violation(`${reading.backend} reads other members of ${reading.name} than ${first.backend}`, {
            name: reading.name,
          }),
        ];
  });
}

/** The last push to each channel reaches exactly its members: the mirrors of the frontends are right. */
function checkLastPushes({ final: { pushes, after }, connections }: History): Violation[] {
  return pushes.flatMap(({ id, audience, outcome }) => {
    if (!("names" in audience)) return [];
    const [name] = audience.names as [string];
    const expected = after.find((reading) => reading.name === name)?.members ?? [];
    const got = new Set(
      connections
        .filter(({ received }) => received.some(({ push }) => push === id))
        .map(({ uid, sid }) => at(uid, sid)),
    );
    const missed = expected.filter((place) => !got.has(place));
    const more = [...got].filter((place) => !expected.includes(place));
    const about = { push: id, name };
    return [
      ...missed.map((place) =>
        violation(`the last push to ${name} did not reach ${place}`, { ...about, uid: place.split("@")[0]! }),
      ),
      ...more.map((place) =>
        violation(`the last push to ${name} reached ${place}, who is no member`, {
          ...about,
          uid: place.split("@")[0]!,
        }),
      ),
      ...(outcome?.report ? [] : [violation(`the last push to ${name} failed with ${outcome?.code}`, about)]),
    ];
  });
}

/** Where users are is what it should be. */
function checkSids({ final: { sids }, connections, endAt }: History): Violation[] {
  return [...sids].flatMap(([uid, found]) => {
    const open = connections.filter(
      (connection) =>
        connection.uid === uid && (connection.openAt ?? Infinity) < endAt && (connection.closingAt ?? Infinity) > endAt,
    );
    const expected = [...new Set(open.map(({ sid }) => sid))].toSorted().join(", ");
    const read = found.toSorted().join(", ");
    return read === expected
      ? []
      : [violation(`${uid} is at ${expected || "no frontend"}, and said to be at ${read || "none"}`, { uid })];
  });
}
