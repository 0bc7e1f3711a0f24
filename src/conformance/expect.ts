import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { ErrorCode, GlobalChannelError } from "../errors.js";
import { isGlobalChannelError } from "../errors.js";

/** How long something may take that happens "soon": far more than a healthy implementation needs. */
const SOON_MS = 5_000;
/** How long to wait between two looks: little at first, so that what is quick is seen quickly. */
const [FIRST_POLL_MS, LAST_POLL_MS] = [2, 250];

/** Waits until `check` passes; at the deadline fails as it last did. */
export async function eventually(check: () => void | Promise<void>, deadlineMs = SOON_MS): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(2 * pollMs, LAST_POLL_MS)) {
    try {
      await check();
      return;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    await sleep(pollMs);
  }
}

/** The two hold equal data, each item as often; order and the order of keys do not matter. */
export function assertSameItems(actual: readonly unknown[], expected: readonly unknown[], what = "items"): void {
  const surplus = new Map<string, number>();
  for (const item of actual.map(canonical)) surplus.set(item, (surplus.get(item) ?? 0) + 1);
  for (const item of expected.map(canonical)) surplus.set(item, (surplus.get(item) ?? 0) - 1);
  const some = (sign: number) => [...surplus].filter(([, count]) => Math.sign(count) === sign).slice(0, 10);
  assert.deepEqual({ what, missing: some(-1), unexpected: some(1) }, { what, missing: [], unexpected: [] });
}

/** The two are equal data; prototypes, keys that are undefined and the order of keys do not matter. */
export function assertSameData(actual: unknown, expected: unknown): void {
  assert.deepEqual(JSON.parse(canonical(actual)), JSON.parse(canonical(expected)));
}

/** The call fails with a `GlobalChannelError` of this code, which comes back. */
export async function assertRejects(call: () => unknown, code: ErrorCode): Promise<GlobalChannelError> {
  let result: unknown;
  try {
    result = await call();
  } catch (error) {
    if (!isGlobalChannelError(error)) assert.fail(`expected a GlobalChannelError ${code}, got ${String(error)}`);
    assert.equal(error.code, code);
    return error;
  }
  return assert.fail(`expected ${code}, but it resolved ${JSON.stringify(result)}`);
}

/** `prefix0`, `prefix1`, ... */
export function numbered(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

export function countTrue(results: readonly boolean[]): number {
  return results.filter(Boolean).length;
}

/** JSON in which equal data is equal text. */
function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_key, item: unknown) =>
      typeof item === "object" && item !== null && !Array.isArray(item)
        ? Object.fromEntries(Object.entries(item).toSorted(([a], [b]) => (a < b ? -1 : 1)))
        : item,
    ) ?? "null"
  );
}
