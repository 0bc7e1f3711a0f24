import { closest, distance } from "fastest-levenshtein";
import { checkNumber, describe, invalid } from "./arguments.js";
import { GlobalChannelError, isGlobalChannelError } from "./errors.js";

/** Turns one given option into its value: checks it, and puts the default where it is undefined. */
type Resolver<T> = (option: string, value: unknown) => T;

type Resolved<S> = { readonly [K in keyof S]: S[K] extends Resolver<infer T> ? T : never };

/**
 * Checks options against a table of resolvers, one for each option there is.
 * @throws `GC_INVALID_OPTION` naming the option, its value and what is allowed
 */
export function resolveOptions<S extends Record<string, Resolver<unknown>>>(
  owner: string,
  given: unknown,
  table: S,
): Resolved<S> {
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw invalidOption(owner, "options", given, "an object");
  }
  for (const option of Object.keys(given)) {
    if (!Object.hasOwn(table, option)) {
      const known = Object.keys(table);
      throw new GlobalChannelError(
        "GC_INVALID_OPTION",
        `${owner} has no option ${describe(option)}${suggest(option, known)}; it has ${known.join(", ")}`,
        { argument: option },
      );
    }
  }
  const resolved: Record<string, unknown> = {};
  for (const [option, resolve] of Object.entries(table)) {
    try {
      resolved[option] = resolve(option, (given as Record<string, unknown>)[option]);
    } catch (error) {
      if (!isGlobalChannelError(error)) throw error;
      throw new GlobalChannelError("GC_INVALID_OPTION", `${owner}: ${error.message}`, { argument: option });
    }
  }
  return Object.freeze(resolved) as Resolved<S>;
}

/** The name that was probably meant, as a question. */
export function suggest(name: string, known: readonly string[]): string {
  const nearest = closest(name, known);
  // More than half of it different: nobody meant that.
  return nearest && distance(name, nearest) <= nearest.length / 2 ? ` (did you mean ${nearest}?)` : "";
}

export function invalidOption(owner: string, option: string, value: unknown, allowed: string): GlobalChannelError {
  return new GlobalChannelError(
    "GC_INVALID_OPTION",
    `${owner}: ${option} is ${describe(value)}; it must be ${allowed}`,
    {
      argument: option,
    },
  );
}

/** The longest time that timers take, in milliseconds (a larger one would fire at once). */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** A time in milliseconds. */
export function milliseconds(defaultMs: number, min = 1, max = MAX_TIMER_MS): Resolver<number> {
  return (option, value) => checkNumber(option, value ?? defaultMs, { min, max });
}

/** How long a push waits for answers. */
export const timeoutMs = milliseconds(5000);
/** How long a frontend that is not heard of counts as alive. */
export const leaseMs = milliseconds(3000, 30);
/** How long after the end of a frontend's lease its members are removed for good. */
export const graceMs = milliseconds(10_000, 0);
/** For how long the `leave` of a user who may come back is held back. */
export const leaveDelayMs = milliseconds(0, 0);

/** A size in bytes, or a count. */
export function amount(defaultAmount: number, min = 1): Resolver<number> {
  return (option, value) => checkNumber(option, value ?? defaultAmount, { min });
}

/** True or false. */
export function aBoolean(defaultValue: boolean): Resolver<boolean> {
  return (option, value = defaultValue) => {
    if (typeof value !== "boolean") throw invalid(option, value, "true or false");
    return value;
  };
}

/** A value that may be left out, and is checked where it is given. */
export function optional<T>(check: Resolver<T>): Resolver<T | undefined> {
  return (option, value) => (value === undefined ? undefined : check(option, value));
}

/** A function. */
export function aFunction<F extends (...args: never[]) => unknown>(): Resolver<F> {
  return (option, value) => {
    if (typeof value !== "function") throw invalid(option, value, "a function");
    return value as F;
  };
}

/** Options of another part, which checks what is in them. */
export function anObject<T extends object>(): Resolver<T> {
  return (option, value = {}) => {
    if (typeof value !== "object" || value === null) throw invalid(option, value, "an object");
    return value as T;
  };
}

/** What every part of a cluster must have. */
export const PART_METHODS = {
  manager: ["add", "leave", "getMembersBySid", "destroyChannel"],
  registry: ["register", "renew", "unregister", "forget", "list", "listDead"],
  transport: ["request", "serve"],
} as const;

/** What the parts must have that a cluster may do without, where they are there. */
export const OPTIONAL_PART_METHODS = {
  tokens: ["put", "take"],
  history: ["limitsOf", "append", "settle", "read", "positions", "remove"],
  subscribers: ["read", "subscribe", "unsubscribe", "save", "expire"],
} as const;

/** The first of these methods that `value` has not. */
export function missingMethod(value: unknown, methods: readonly string[]): string | undefined {
  const candidate = value as Record<string, unknown> | null | undefined;
  return methods.find((method) => typeof candidate?.[method] !== "function");
}
