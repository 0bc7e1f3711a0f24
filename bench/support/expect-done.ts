/** @param done how many members a call was about, or true, or nothing where it tells nothing. @throws if it is something else */
export function expectDone(what: string, done: number | boolean | void, members: number): void {
  if (done !== members && done !== true && done !== undefined)
    throw new Error(`${what}: ${done} instead of ${members}`);
}
