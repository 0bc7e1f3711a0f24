import { randomFillSync } from "node:crypto";
import type { Version } from "./types.js";

const EPOCH_BYTES = 6;
/** Random bytes for the next epochs: drawing them one by one would cost more than all the rest of an add. */
const pool = Buffer.alloc(EPOCH_BYTES * 256);
let used = pool.length;

/** A new epoch: 48 random bits, so that no two lives of a member set are ever taken for one another. */
export function newEpoch(): string {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += EPOCH_BYTES;
  return pool.toString("base64url", used - EPOCH_BYTES, used);
}

/** Whether `version` is `than` or a later version of the same epoch. */
export function isAtLeast(version: Version, than: Version): boolean {
  const [epoch, counter] = parse(version);
  const [thanEpoch, thanCounter] = parse(than);
  return epoch === thanEpoch && counter >= thanCounter;
}

/** Whether `version` is the first of its epoch: nothing but its own change is in the set. */
export function isFirst(version: Version): boolean {
  return parse(version)[1] === 1;
}

/** The version after this one, in the same epoch. */
export function nextVersion(version: Version): Version {
  const [epoch, counter] = parse(version);
  return `${epoch}.${counter + 1}`;
}

/** The first version of a new epoch. */
export function firstVersion(): Version {
  return `${newEpoch()}.1`;
}

function parse(version: Version): [epoch: string, counter: number] {
  const dot = version.lastIndexOf(".");
  return [version.slice(0, dot), Number(version.slice(dot + 1))];
}
