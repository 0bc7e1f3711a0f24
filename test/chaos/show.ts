import { latenessOf } from "./checks/reports.js";
import type { Connection, History, Push, Violation } from "./history.js";
import type { PlannedFault } from "./plan.js";

/** How many violations are shown with their history, unless more invariants are broken, and how many lines of it. */
const SHOWN = 3;
const LINES = 45;
/** How long before and after a push is shown what else happened, in milliseconds. */
const AROUND_MS = 5000;

interface Line {
  at: number;
  text: string;
}

/** What a failed run prints: what must not be, and of the history only what it is about. */
export function showViolations(
  violations: readonly Violation[],
  history: History,
  planned: readonly PlannedFault[],
): string {
  const counts = new Map<string, number>();
  for (const { invariant } of violations) counts.set(invariant, (counts.get(invariant) ?? 0) + 1);
  const shown = choose(violations);
  return [
    "What was planned:",
    ...planned.map((fault) => `  ${seconds(fault.at)} ${describe(fault)}`),
    "",
    `${violations.length} violations: ${[...counts].map(([invariant, count]) => `${count} of ${invariant}`).join(", ")}`,
    ...shown.flatMap((violation) => [
      "",
      `${violation.invariant}: ${violation.message}`,
      ...shorten(violation, history),
    ]),
  ].join("\n");
}

/** One violation of each invariant, and then others, each about somebody else: many mostly have one reason. */
function choose(violations: readonly Violation[]): Violation[] {
  const invariants = new Set<string>();
  const subjects = new Set<string>();
  const chosen: Violation[] = [];
  for (const violation of violations) {
    const { name, uid, sid, life, push } = violation.about;
    const subject = [name, uid, sid, life, uid === undefined && push].join();
    const isNew = !invariants.has(violation.invariant) || (chosen.length < SHOWN && !subjects.has(subject));
    if (isNew) chosen.push(violation);
    invariants.add(violation.invariant);
    subjects.add(subject);
  }
  return chosen;
}

/** What a run that is well prints. */
export function summarize(history: History, checked: { receptions: number; downs: number }): string {
  const { pushes, changes, destructions, connections, lives, faults } = history;
  const kinds = new Map<string, number>();
  for (const { kind } of faults) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  const members = history.final.after.filter(({ backend }) => backend === history.final.after[0]?.backend);
  return [
    `${pushes.length + changes.length + destructions.length} operations`,
    `${pushes.length} pushes`,
    `${connections.reduce((sum, { received }) => sum + received.length, 0)} messages (${checked.receptions} that had to come)`,
    `${members.reduce((sum, reading) => sum + reading.members.length, 0)} members at the end`,
    `${destructions.length} destructions`,
    `${connections.length} connections`,
    `${lives.length} processes`,
    `${checked.downs} server-down events that had to come`,
    [...kinds].map(([kind, count]) => `${count} ${kind}`).join(", ") || "no faults",
    `longest settle ${Math.max(0, ...pushes.map(latenessOf)).toFixed(1)} ms past its deadline`,
  ].join("; ");
}

function describe({ kind, ms, target }: PlannedFault): string {
  const where = target.role === "redis" ? "Redis" : `${target.role} ${target.index + 1}`;
  return `${kind} ${where}${ms > 0 ? ` for ${ms} ms` : ""}`;
}

/** The part of a history that concerns one violation, as a time line. */
function shorten({ about }: Violation, history: History): string[] {
  const push = [...history.pushes, ...history.final.pushes].find(({ id }) => id === about.push);
  const [from, to] = push
    ? [push.start - AROUND_MS, Math.min(push.end, history.endAt) + AROUND_MS]
    : [-Infinity, Infinity];
  const concerns = (name?: string, uid?: string, sid?: string): boolean =>
    (name === undefined || about.name === undefined || name === about.name) &&
    (uid === undefined || about.uid === undefined || uid === about.uid) &&
    (sid === undefined || about.sid === undefined || sid === about.sid);
  const isAbout =
    about.uid !== undefined || about.life !== undefined || (about.push === undefined && about.name !== undefined);
  const observer = (history.seen[0] ?? history.edges[0])?.backend;
  const lines: Line[] = [
    ...(push ? linesOfPush(push) : []),
    ...history.changes
      .filter(({ name, uid, sid }) => isAbout && concerns(name, uid, sid))
      .map(({ start, end, type, name, uid, sid, backend, status, changed, code }) => ({
        at: start,
        text: `${type} ${uid}@${sid} ${name} by ${backend}: ${code ?? `${status}, changed: ${changed}`} (${took(start, end)})`,
      })),
    ...history.destructions
      .filter(({ name }) => isAbout && concerns(name))
      .map(({ start, end, name, backend, status, code }) => ({
        at: start,
        text: `destroy ${name} by ${backend}: ${code ?? status} (${took(start, end)})`,
      })),
    ...history.connections
      .filter(({ uid, sid }) => isAbout && concerns(undefined, uid, sid))
      .flatMap((connection) => linesOfConnection(connection, push)),
    ...history.seen
      .filter(({ name, uid, sid, backend }) => isAbout && backend === observer && concerns(name, uid, sid))
      .map(({ at, type, name, uid, sid, reason }) => ({
        at,
        text: `${observer} was told: ${type} ${uid}@${sid} ${name} (${reason})`,
      })),
    ...history.edges
      .filter(({ name, backend }) => about.name !== undefined && backend === observer && concerns(name))
      .map(({ at, type, name }) => ({ at, text: `${observer} was told: ${type} ${name}` })),
    ...history.lives
      .filter(({ id, sid, role }) => id === about.life || (role === "frontend" && concerns(undefined, undefined, sid)))
      .flatMap(({ id, startAt, endAt, end, clockMs }) => [
        { at: startAt, text: `${id} starts${clockMs === 0 ? "" : `, its clock ${clockMs} ms off`}` },
        ...(endAt === undefined ? [] : [{ at: endAt, text: `${id} ends: ${end}` }]),
      ]),
    ...history.faults.map((fault) => ({
      at: fault.from,
      text: `* ${fault.kind} ${fault.target} (${took(fault.from, fault.to)})`,
    })),
  ];
  const all = lines.filter(({ at }) => at >= from && at <= to).toSorted((a, b) => a.at - b.at);
  const shown = all.slice(-LINES).map(({ at, text }) => `  ${seconds(at - history.startAt)} ${text}`);
  return all.length > shown.length ? [`  (${all.length - shown.length} earlier lines)`, ...shown] : shown;
}

function linesOfPush({ id, backend, audience, except, start, end, outcome }: Push): Line[] {
  const { report, code } = outcome ?? {};
  const numbers = report && { ...report, failIds: report.failIds.join(" ") };
  return [
    { at: start, text: `push ${id} by ${backend} ${JSON.stringify(audience)} except ${JSON.stringify(except)}` },
    ...(outcome ? [{ at: end, text: `push ${id} settles: ${code ?? ""} ${JSON.stringify(numbers)}` }] : []),
  ];
}

function linesOfConnection(connection: Connection, push: Push | undefined): Line[] {
  const { id, uid, frontend, triedAt, openAt, closingAt, received } = connection;
  return [
    { at: triedAt, text: `connection ${id} of ${uid} to ${frontend} begins` },
    ...(openAt === undefined ? [] : [{ at: openAt, text: `connection ${id} of ${uid} to ${frontend} is open` }]),
    ...(closingAt === undefined ? [] : [{ at: closingAt, text: `connection ${id} of ${uid} to ${frontend} closes` }]),
    ...received
      .filter((reception) => reception.push === push?.id)
      .map(({ at }) => ({ at, text: `connection ${id} of ${uid} to ${frontend} gets push ${push!.id}` })),
  ];
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3).padStart(8)} s`;
}

function took(from: number, to: number): string {
  return Number.isFinite(to) ? `${Math.round(to - from)} ms` : "no end";
}
