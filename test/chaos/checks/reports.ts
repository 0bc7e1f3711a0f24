import type { History, Push, Report, Violation } from "../history.js";

/** How much later than its deadline a push may settle, besides the time in which its process could do nothing. */
const LATE_MS = 50;
/** What calls may fail with while something is wrong; anything else is no answer to what was done here. */
const EXPECTED_CODES = [
  "GC_STORE_UNAVAILABLE",
  "GC_TIMEOUT",
  "GC_FRONTEND_UNREACHABLE",
  "GC_OVERLOADED",
  "GC_PUSH_FAILED",
];

/** Every report adds up, and every push settles once, in time. */
export function checkReports({ pushes, final, changes, destructions, lives }: History): Violation[] {
  const living = new Set(lives.filter(({ end }) => end === undefined).map(({ id }) => id));
  const hangs = ({ end, backend }: { end: number; backend: string }): boolean =>
    end === Infinity && living.has(backend);
  const calls = [
    ...changes.map(({ type, uid, sid, ...call }) => ({ ...call, type, about: { name: call.name, uid, sid } })),
    ...destructions.map((call) => ({ ...call, type: "destroyChannel", about: { name: call.name } })),
  ];
  return [
    ...pushes.filter(hangs).map(({ id }) => violation(`push ${id} never settles`, { push: id })),
    ...calls.filter(hangs).map(({ type, about }) => violation(`${type} never settles`, about)),
    ...[...pushes, ...final.pushes].flatMap((push) =>
      mistakesOf(push).map((message) => violation(`push ${push.id} ${message}`, { push: push.id })),
    ),
    ...calls.flatMap(({ type, code, about }) =>
      code === undefined || EXPECTED_CODES.includes(code) ? [] : [violation(`${type} failed with ${code}`, about)],
    ),
  ];
}

function violation(message: string, about: Violation["about"]): Violation {
  return { invariant: "1 reports", message, about };
}

/** By how much a push settled later than it could have. */
export function latenessOf({ outcome }: Push): number {
  return outcome ? outcome.lateMs - outcome.blockedMs : 0;
}

function mistakesOf(push: Push): string[] {
  const { outcome, callbacks } = push;
  const mistakes: string[] = [];
  if (callbacks !== undefined && outcome && callbacks !== 1) mistakes.push(`called back ${callbacks} times`);
  if (!outcome) return mistakes;
  const { report, code } = outcome;
  const lateMs = latenessOf(push);
  if (lateMs > LATE_MS) mistakes.push(`settled ${Math.round(lateMs)} ms after its deadline`);
  if (code !== undefined && !EXPECTED_CODES.includes(code)) mistakes.push(`failed with ${code}`);
  if (!report) return code === undefined ? [...mistakes, "has neither a report nor an error"] : mistakes;
  if (!addsUp(report)) mistakes.push(`has a report that does not add up: ${JSON.stringify(report)}`);
  return mistakes;
}

function addsUp({ targeted, delivered, failed, unknown, unlisted, failIds, frontends }: Report): boolean {
  const numbers = [targeted, delivered, failed, unknown, unlisted];
  return (
    numbers.every((count) => Number.isInteger(count) && count >= 0) &&
    delivered + failed + unknown === targeted &&
    failIds.length + unlisted === failed + unknown &&
    frontends.every((part) => part.delivered + part.failed + part.unknown === part.targeted)
  );
}
