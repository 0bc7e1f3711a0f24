/** Every code that a {@link GlobalChannelError} can have, and what it means. README lists the same. */
export const ERROR_CODES = {
  GC_INVALID_ARGUMENT: "an argument of a call is not allowed; nothing was done",
  GC_INVALID_OPTION: "an option is unknown or its value is not allowed; nothing was started",
  GC_MESSAGE_NOT_SERIALIZABLE: "the message has no JSON form (BigInt, cycle, function, undefined); nothing was sent",
  GC_MESSAGE_TOO_LARGE:
    "the message's JSON is larger than `maxMessageBytes`, or that of a token's payload than 16 KiB; nothing was sent",
  GC_NOT_STARTED: "called before `start()` resolved",
  GC_CLOSED: "called after `stop()` or `close()`, or not done before that",
  GC_UNSUPPORTED: "a part of this cluster lacks the capability that the call needs",
  GC_INVALID_TOKEN: "the token was never given out, has expired, or was used before",
  GC_SID_IN_USE: "a live frontend holds this `sid`; `holder` says which",
  GC_SID_TAKEN: "another incarnation took this frontend's `sid`; this one has stopped",
  GC_STORE_UNAVAILABLE: "the store cannot be reached now (temporary)",
  GC_STORE_ERROR: "the store answered with an error, or the channel manager or token store broke its contract",
  GC_TIMEOUT: "no answer before the deadline: whether it was done is not known (temporary)",
  GC_FRONTEND_UNREACHABLE: "nobody listens at that frontend: it is down or starting (temporary)",
  GC_FRONTEND_ERROR:
    "the frontend could not do what it was asked, or its transport failed in a way of its own (`cause`)",
  GC_BROKER_UNREACHABLE: "the Snapper broker cannot be reached now (temporary)",
  GC_BROKER_ERROR: "the Snapper broker answered with an error; `temporary` as it says",
  GC_PROTOCOL_ERROR: "the other side of a connection sent what is not of the protocol; the connection is closed",
  GC_OVERLOADED: "a bounded queue is full (temporary)",
  GC_PUSH_FAILED: "every targeted frontend failed; `report` has the details",
  GC_LISTENER_FAILED: "a function of the application threw, or its promise rejected",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

const BRAND = Symbol.for("globalchannel.error");

const TEMPORARY: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "GC_STORE_UNAVAILABLE",
  "GC_TIMEOUT",
  "GC_FRONTEND_UNREACHABLE",
  "GC_BROKER_UNREACHABLE",
  "GC_OVERLOADED",
]);

/** What else an error can tell; each only where it applies. */
export interface ErrorDetails {
  cause?: unknown;
  /** The name of the argument or option that was refused. */
  argument?: string;
  channel?: string;
  sid?: string;
  /** Who holds the sid, of `GC_SID_IN_USE` and `GC_SID_TAKEN`. */
  holder?: string;
  /** The push report, of `GC_PUSH_FAILED`. */
  report?: unknown;
  /** Whether the same call may succeed later. @default by the code */
  temporary?: boolean;
}

/** The one error class of this package: what happened, on which object, and in the details what to do about it. */
export class GlobalChannelError extends Error {
  override readonly name = "GlobalChannelError";
  readonly code: ErrorCode;
  /** Whether the same call may succeed later. */
  readonly temporary: boolean;
  declare readonly argument?: string;
  declare readonly channel?: string;
  declare readonly sid?: string;
  declare readonly holder?: string;
  declare readonly report?: unknown;

  static {
    // Not on each error: a push that fails makes one for each frontend, and that would be half of what it costs.
    Object.defineProperty(this.prototype, BRAND, { value: true });
  }

  constructor(code: ErrorCode, message: string, { cause, temporary, ...details }: ErrorDetails = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.temporary = temporary ?? TEMPORARY.has(code);
    Object.assign(this, details);
  }
}

/** Whether `error` is a {@link GlobalChannelError}, also one of the package's other module format (ESM or CommonJS). */
export function isGlobalChannelError(error: unknown): error is GlobalChannelError {
  return typeof error === "object" && error !== null && BRAND in error;
}

/** What every transport throws for a frontend that nobody listens at. */
export function unreachable(sid: string): GlobalChannelError {
  return new GlobalChannelError("GC_FRONTEND_UNREACHABLE", `nobody listens at frontend ${JSON.stringify(sid)}`, {
    sid,
  });
}

/** What every transport throws for a frontend that did not answer. */
export function timedOut(sid: string, timeoutMs: number): GlobalChannelError {
  const message = `frontend ${JSON.stringify(sid)} did not answer within ${Math.round(timeoutMs)} ms`;
  return new GlobalChannelError("GC_TIMEOUT", message, { sid });
}

/** What every transport throws for a frontend whose handler failed; temporary where that is what it failed with. */
export function frontendError(sid: string, cause: unknown, temporary = isTemporary(cause)): GlobalChannelError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new GlobalChannelError("GC_FRONTEND_ERROR", `frontend ${JSON.stringify(sid)} failed: ${message}`, {
    sid,
    cause,
    temporary,
  });
}

/** Whether the same may succeed later. */
export function isTemporary(error: unknown): boolean {
  return isGlobalChannelError(error) && error.temporary;
}

/** Whether what keeps the data cannot be asked, or its answer is lost. */
export function isUnavailable(error: unknown): error is GlobalChannelError {
  return isGlobalChannelError(error) && error.code === "GC_STORE_UNAVAILABLE";
}

/** What every registry throws for a sid that a live frontend holds. */
export function sidInUse(sid: string, holder: string): GlobalChannelError {
  return new GlobalChannelError(
    "GC_SID_IN_USE",
    `sid ${JSON.stringify(sid)} is held by a live frontend (${holder}); stop that one, or choose another sid`,
    { sid, holder },
  );
}

/** What is thrown for every token that is refused, the same for all, as whoever guesses learns nothing of why; `cause` is for the server. */
export function invalidToken(cause?: unknown): GlobalChannelError {
  return new GlobalChannelError("GC_INVALID_TOKEN", ERROR_CODES.GC_INVALID_TOKEN, { cause });
}

/** What a frontend meets whose sid another incarnation has. */
export function sidTaken(sid: string, holder: string): GlobalChannelError {
  return new GlobalChannelError("GC_SID_TAKEN", `${holder} has taken sid ${JSON.stringify(sid)}; this frontend stops`, {
    sid,
    holder,
  });
}
