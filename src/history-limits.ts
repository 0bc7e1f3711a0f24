import { checkNumber, invalid } from "./arguments.js";
import { resolveOptions } from "./options.js";
import type { HistoryLimits } from "./types.js";

/** The most messages that a channel can keep, and the longest time, in milliseconds: twice that is a time for a timer, too. */
const MAX_SIZE = 100_000;
const MAX_TTL_MS = 12 * 24 * 60 * 60 * 1000;
/** For how many times its `ttlMs` a history without messages keeps its epoch: who has missed nothing meanwhile has no gap. */
export const EPOCH_TTLS = 2;

/** How many bytes of bodies are read at once, and one message more: clients that are slow, and stores, are given no more than that. */
export const MAX_READ_BYTES = 512 * 1024;

/** For how long it is known which pushes with an idempotency key were done, in milliseconds. */
export const IDEMPOTENCY_MS = 5 * 60 * 1000;

/**
 * Which channels keep how much: by their name, or a pattern in which one `*` stands for any text, such as `{ "room:*": { size: 100,
 * ttlMs: 60_000 } }`. The first that fits counts; with `false` these channels keep nothing.
 */
export type HistoryPatterns = Readonly<Record<string, HistoryLimits | false>>;

/** What the histories of this package can be given. */
export interface ChannelHistoryOptions {
  /** Which channels keep how much. @default none, but for pushes that say so */
  channels?: HistoryPatterns | undefined;
}

interface Rule {
  fits: (name: string) => boolean;
  limits: HistoryLimits | undefined;
}

/** Finds how much of a channel is kept. */
export type FindLimits = (name: string) => HistoryLimits | undefined;

/** @throws `GC_INVALID_OPTION` */
export function findLimits(owner: string, options: ChannelHistoryOptions): FindLimits {
  return resolveOptions(owner, options, { channels: checkPatterns }).channels;
}

/** Patterns as an option of a whole cluster, which has to name it where they are none. @throws `GC_INVALID_ARGUMENT`, `GC_INVALID_OPTION` */
export function historyPatterns(option: string, value: unknown): HistoryPatterns | undefined {
  checkPatterns(option, value);
  return value as HistoryPatterns | undefined;
}

function checkPatterns(option: string, value: unknown = {}): FindLimits {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid(option, value, "an object of patterns, as { 'room:*': { size: 100, ttlMs: 60_000 } }");
  }
  const rules = Object.entries(value).map(([pattern, given]): Rule => ({
    fits: matcher(option, pattern),
    limits: given === false ? undefined : checkLimits(`${option}[${JSON.stringify(pattern)}]`, given),
  }));
  return (name) => rules.find(({ fits }) => fits(name))?.limits;
}

/** @throws `GC_INVALID_OPTION` */
export function checkLimits(option: string, value: unknown): HistoryLimits {
  return resolveOptions(option, value, {
    size: (name, size) => wholeNumber(name, size, MAX_SIZE),
    ttlMs: (name, ttlMs) => wholeNumber(name, ttlMs, MAX_TTL_MS),
  });
}

function wholeNumber(name: string, value: unknown, max: number): number {
  return Math.ceil(checkNumber(name, value, { min: 1, max }));
}

function matcher(option: string, pattern: string): (name: string) => boolean {
  const [start = "", end, ...more] = pattern.split("*");
  if (more.length > 0) throw invalid(`${option}'s pattern`, pattern, "a name with one * at most");
  if (end === undefined) return (name) => name === start;
  return (name) => name.length >= start.length + end.length && name.startsWith(start) && name.endsWith(end);
}
