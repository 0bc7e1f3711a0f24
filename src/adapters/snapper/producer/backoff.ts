const FIRST_DELAY_MS = 100;
/** Beyond that twice as much would be no number of milliseconds any more. */
const MAX_DOUBLINGS = 20;

/** How long to wait before an attempt, the first of which is 1, in milliseconds: not all processes at the same time. */
export function backoff(attempt: number, maxDelayMs: number): number {
  const longest = Math.min(FIRST_DELAY_MS * 2 ** Math.min(attempt - 1, MAX_DOUBLINGS), maxDelayMs);
  return Math.round(longest * (0.5 + Math.random() / 2));
}
