import { isDeepStrictEqual } from "node:util";

/** Something was not as the demo says: it ends with exit code 1. */
export class Unexpected extends Error {
  override readonly name = "Unexpected";
}

/** @throws {@link Unexpected} unless both are the same, down to the order of lists */
export function expectEqual(what: string, actual: unknown, expected: unknown): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new Unexpected(`${what}: ${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`);
}
