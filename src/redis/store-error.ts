import { ReplyError } from "ioredis";
import { describe } from "../arguments.js";
import { GlobalChannelError, isGlobalChannelError } from "../errors.js";

/** Redis cannot be asked, or its answer is lost. */
export function unavailable(reason: string, cause?: unknown): GlobalChannelError {
  // Of a cluster the client says no more than that nobody could be asked.
  const shown = (cause as { lastNodeError?: unknown } | undefined)?.lastNodeError ?? cause;
  const detail = shown instanceof Error && shown.message ? `: ${shown.message}` : "";
  return new GlobalChannelError("GC_STORE_UNAVAILABLE", `Redis cannot be reached: ${reason}${detail}`, { cause });
}

/** Replies that say: not now. */
const TEMPORARY_REPLY = /^(LOADING|BUSY|TRYAGAIN|MASTERDOWN|CLUSTERDOWN|MOVED|ASK|READONLY|OOM|NOREPLICAS|MISCONF)\b/;

/** What Redis has answered in the place of a result. */
export function replyError(reply: string, cause?: unknown): GlobalChannelError {
  // Redis 6 says first in which line of a script it was.
  const message = reply.replace(/^@user_script: ?\d+: -?/, "").trim();
  const temporary = TEMPORARY_REPLY.test(message);
  return new GlobalChannelError("GC_STORE_ERROR", `Redis answered: ${message}`, { cause, temporary });
}

/** What a client has rejected with, as callers get it. */
export function toStoreError(cause: unknown): GlobalChannelError {
  if (isGlobalChannelError(cause)) return cause;
  const message = cause instanceof Error ? cause.message : describe(cause);
  if (isReplyError(cause)) return replyError(message, cause);
  return unavailable("the connection was lost", cause);
}

export function isReplyError(error: unknown): error is Error {
  return (error instanceof Error && error.name === "ReplyError") || error instanceof ReplyError;
}
