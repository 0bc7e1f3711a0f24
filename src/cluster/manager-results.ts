import { describe } from "../arguments.js";
import { partError, wrongResult } from "./part-error.js";
import { GlobalChannelError } from "../errors.js";

const MANAGER = "channel manager";

/** What a result must be. */
interface Shape {
  shape: string;
  fits(result: unknown): boolean;
}

const aList: Shape = { shape: "an array", fits: Array.isArray };
const aCount: Shape = { shape: "a number", fits: (result) => typeof result === "number" };
const uids: Shape = { shape: "an array of strings", fits: (result) => isStrings(result) };
const someUids: Shape = {
  shape: "an object with an array of uids",
  // Not each of them: there may be very many, of a manager that has gone to the length of having versions or pages.
  fits: (result) => Array.isArray((result as { uids?: unknown } | null | undefined)?.uids),
};

/** The results that nobody could go on with if they were something else. What is made of the others is made of anything. */
const SHAPES: Readonly<Record<string, Shape>> = {
  getMembersBySid: uids,
  addMany: aCount,
  leaveMany: aCount,
  findMember: aList,
  scanMembers: someUids,
  getMemberSets: aList,
  readMemberSet: someUids,
  getChannelsBySid: aList,
  getSessions: aList,
  countUsers: aList,
  getServers: aList,
  getMembershipsByUid: aList,
};

/**
 * The result of a manager's method, as the contract has it. Where managers of the original tell nothing, as of an `add`, it is
 * taken to have done what it was asked for.
 * @throws `GC_STORE_ERROR` it breaks the contract
 */
export function managerResult(method: string, result: unknown): unknown {
  if (method === "add" || method === "leave") return result !== false;
  if (method === "destroyChannel") return typeof result === "number" ? result : 0;
  const wanted = SHAPES[method];
  if (wanted && !wanted.fits(result)) throw wrongShape(method, result, wanted);
  return result;
}

/** What a manager's method threw or rejected, as its callers get it. */
export function managerError(method: string, cause: unknown): GlobalChannelError {
  return partError(MANAGER, method, cause);
}

function wrongShape(method: string, result: unknown, wanted: Shape): GlobalChannelError {
  const isMixed = wanted === uids && Array.isArray(result);
  const found = isMixed
    ? `an array with ${describe(result.find((item) => typeof item !== "string"))} in it`
    : describe(result);
  return wrongResult(MANAGER, method, found, wanted.shape);
}

function isStrings(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
