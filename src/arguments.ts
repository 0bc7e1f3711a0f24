import { GlobalChannelError } from "./errors.js";

/** The longest name (channel, uid, sid, stype, route), in bytes of UTF-8. */
const MAX_NAME_BYTES = 1024;

/**
 * Checks a name given by a caller and returns it.
 * @throws `GC_INVALID_ARGUMENT` unless it is a non-empty, well-formed string of at most {@link MAX_NAME_BYTES} bytes
 */
export function checkName(argument: string, value: unknown): string {
  if (typeof value !== "string" || value === "") {
    throw invalid(argument, value, "a non-empty string");
  }
  // A UTF-16 unit is at most 3 bytes of UTF-8, so that most names need no count.
  if (value.length > MAX_NAME_BYTES / 3 && Buffer.byteLength(value) > MAX_NAME_BYTES) {
    throw invalid(argument, value, `at most ${MAX_NAME_BYTES} bytes of UTF-8`);
  }
  // Lone surrogates would all become U+FFFD on the way to the store, so that different names would be one.
  if (!value.isWellFormed()) {
    throw invalid(argument, value, "well-formed Unicode, without lone surrogates");
  }
  return value;
}

/** {@link checkName} for an id, which may also be a safe integer, and is then the same as its decimal string. */
export function checkId(argument: string, value: unknown): string {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value)) {
      throw invalid(argument, value, "a non-empty string or a safe integer");
    }
    return String(value);
  }
  return checkName(argument, value);
}

/** Checks a list and each of its items. */
export function checkList<T>(argument: string, value: unknown, checkItem: (argument: string, item: unknown) => T): T[] {
  if (!Array.isArray(value)) {
    throw invalid(argument, value, "an array");
  }
  return value.map((item, index) => checkItem(`${argument}[${index}]`, item));
}

/** Checks a time, size or count. */
export function checkNumber(
  argument: string,
  value: unknown,
  { min, max = Number.MAX_SAFE_INTEGER }: { min: number; max?: number },
): number {
  if (typeof value !== "number" || !Number.isFinite(value) || value < min || value > max) {
    const upTo = max === Number.MAX_SAFE_INTEGER ? "" : ` and at most ${max}`;
    throw invalid(argument, value, `a finite number of at least ${min}${upTo}`);
  }
  return value;
}

/** {@link checkNumber} for what is counted. */
export function checkInteger(argument: string, value: unknown, { min, max }: { min: number; max: number }): number {
  if (typeof value === "number" && !Number.isInteger(value)) throw invalid(argument, value, "an integer");
  return checkNumber(argument, value, { min, max });
}

/**
 * Encodes a message, once for all its receivers.
 * @throws `GC_MESSAGE_NOT_SERIALIZABLE`, `GC_MESSAGE_TOO_LARGE`
 */
export function encodeMessage(msg: unknown, maxBytes: number): string {
  return encodeJson("msg", msg, { maxBytes, bound: "maxMessageBytes" });
}

/**
 * Encodes what is kept or sent.
 * @param bound what it is that allows `maxBytes`, for people
 * @throws `GC_MESSAGE_NOT_SERIALIZABLE`, `GC_MESSAGE_TOO_LARGE`
 */
export function encodeJson(
  argument: string,
  value: unknown,
  { maxBytes, bound }: { maxBytes: number; bound: string },
): string {
  let body: string | undefined;
  try {
    body = JSON.stringify(value) as string | undefined;
  } catch (cause) {
    throw new GlobalChannelError(
      "GC_MESSAGE_NOT_SERIALIZABLE",
      `${argument} cannot be written as JSON: ${cause instanceof Error ? cause.message : describe(cause)}`,
      {
        cause,
        argument,
      },
    );
  }
  if (body === undefined) {
    throw new GlobalChannelError(
      "GC_MESSAGE_NOT_SERIALIZABLE",
      `${argument} is ${describe(value)}, which has no JSON form`,
      {
        argument,
      },
    );
  }
  if (body.length > maxBytes / 3) {
    const bytes = Buffer.byteLength(body);
    if (bytes > maxBytes) {
      throw new GlobalChannelError(
        "GC_MESSAGE_TOO_LARGE",
        `${argument} is ${bytes} bytes of JSON; ${bound} allows ${maxBytes}`,
        { argument },
      );
    }
  }
  return body;
}

export function invalid(argument: string, value: unknown, allowed: string): GlobalChannelError {
  return new GlobalChannelError("GC_INVALID_ARGUMENT", `${argument} is ${describe(value)}; it must be ${allowed}`, {
    argument,
  });
}

/** A value as error messages show it: short, on one line, never throwing. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case "string":
      return value.length > 64
        ? `${JSON.stringify(value.slice(0, 64))}… (${value.length} characters)`
        : JSON.stringify(value);
    case "bigint":
      return `${value}n`;
    case "function":
      return "a function";
    case "object":
      if (value === null) return "null";
      return Array.isArray(value) ? `an array of ${value.length}` : "an object";
    default:
      return String(value);
  }
}
