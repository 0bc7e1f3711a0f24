/** A Node callback, given as the last argument of a call. */
export type Callback<T> = (error: Error | null, result?: T) => void;

/**
 * Gives a promise's result to a callback too, if there is one: exactly once, and never from inside the promise's own code,
 * so that what the callback throws is the application's uncaught exception and not a second result.
 */
export function withCallback<T>(
  promise: Promise<T>,
  callback: Callback<T> | undefined,
  resultOf: (error: Error) => T | undefined = () => undefined,
): Promise<T> {
  if (typeof callback === "function") {
    promise.then(
      (value) => process.nextTick(() => callback(null, value)),
      (error: Error) => process.nextTick(() => callback(error, resultOf(error))),
    );
  }
  return promise;
}
