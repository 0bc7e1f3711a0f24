import { setTimeout as sleep } from "node:timers/promises";
import { plain, plainError, type PlainError } from "./plain.js";

/** `app.get("globalChannelService")`, of whatever plugin. */
export type PluginService = Record<string, (...args: unknown[]) => unknown>;

/** What became of a call with a callback. */
export interface CallbackOutcome {
  error: PlainError | null;
  /** What the callback got besides the error. */
  results: unknown[];
  /** How often it was called. */
  callbacks: number;
}

/** How long a second call of a callback is waited for. */
const SECOND_CALL_MS = 30;

/** Calls a method with a callback. Rejects if it throws. */
export async function callWithCallback(
  service: PluginService,
  method: string,
  args: readonly unknown[],
): Promise<CallbackOutcome> {
  let callbacks = 0;
  const [error, ...results] = await new Promise<unknown[]>((resolve) => {
    service[method]!(...args, (...given: unknown[]) => {
      callbacks++;
      resolve(given);
    });
  });
  await sleep(SECOND_CALL_MS);
  return { error: plainError(error), results: results.map(plain), callbacks };
}

/** Calls a method that returns a promise, and resolves its value. */
export async function callForPromise(
  service: PluginService,
  method: string,
  args: readonly unknown[],
): Promise<unknown> {
  return plain(await service[method]!(...args));
}
