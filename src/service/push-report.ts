import { GlobalChannelError } from "../errors.js";
import type { ChannelPosition } from "../types.js";

/** What became of a push at one frontend. */
export interface FrontendReport {
  sid: string;
  targeted: number;
  delivered: number;
  failed: number;
  unknown: number;
  /** How many of those that failed or are unknown are not named in `failIds`, where there are any. */
  unlisted?: number;
  /** Why nothing is known of it, or why it failed as a whole. */
  error?: GlobalChannelError;
  /** How many users are there is not known, as it failed or was asked for no answer: the counts are without them. */
  isUncounted?: true;
}

/**
 * What became of a push. Every targeted member (a user at a frontend) is in exactly one of three states:
 * `delivered + failed + unknown = targeted`.
 */
export interface PushReport {
  /** How many members the push was for; users with no session anywhere count once. */
  targeted: number;
  /** Handed to at least one open connection. */
  delivered: number;
  /** Not delivered: the user has no session there, or the frontend is known not to have got it. */
  failed: number;
  /**
   * It may have been delivered or not: the frontend did not answer before the deadline, or was not asked to (`ack: false`), the
   * transport failed with an error that does not say, or the client was to acknowledge it and did not in time.
   */
  unknown: number;
  /** The uids that are not known to be delivered, one for each such member: `failIds.length + unlisted = failed + unknown`. */
  failIds: string[];
  /**
   * How many are not named: who is a member at a frontend that failed could not be read either, or no answers were asked for
   * (`ack: false`).
   */
  unlisted: number;
  /** One entry for each frontend that the push went to. */
  frontends: FrontendReport[];
  /** Where it is in the histories of its channels, of those that keep it. */
  positions?: readonly ChannelPosition[];
  /** This is the report of an earlier push with the same `idempotencyKey`: this time nothing was sent. */
  repeated?: true;
  /** What has become of that one is not known yet, or never will be, as its service is gone: there are no counts. */
  isUnsettled?: true;
}

export function emptyReport(): PushReport {
  return { targeted: 0, delivered: 0, failed: 0, unknown: 0, failIds: [], unlisted: 0, frontends: [] };
}

/** The report of a push to users of whom some have no session anywhere. */
export function absentUsers(uids: readonly string[]): PushReport {
  return { ...emptyReport(), targeted: uids.length, failed: uids.length, failIds: [...uids] };
}

/** Adds one frontend's part to the report. */
export function addFrontend(report: PushReport, part: FrontendReport, failIds: readonly string[]): void {
  report.targeted += part.targeted;
  report.delivered += part.delivered;
  report.failed += part.failed;
  report.unknown += part.unknown;
  const unlisted = part.failed + part.unknown - failIds.length;
  report.unlisted += unlisted;
  for (const uid of failIds) report.failIds.push(uid);
  report.frontends.push(unlisted > 0 ? { ...part, unlisted } : part);
}

/**
 * What a callback gets of a report: whom the push is not known to have reached. Only a complete list is no error, but for those
 * who are unknown because no answers were asked for.
 */
export function failIdsOf(report: PushReport): string[] {
  const { failIds, frontends } = report;
  const failed = frontends.filter(({ error }) => error);
  const missing = failed.reduce((sum, { unlisted = 0 }) => sum + unlisted, 0);
  const uncounted = failed.filter(({ isUncounted }) => isUncounted).length;
  if (missing + uncounted === 0) return failIds;
  const who = uncounted > 0 ? `the users of ${uncounted} frontends` : `${missing} members`;
  const message = `${who} may have missed the push, and who they are could not be read`;
  throw new GlobalChannelError("GC_STORE_UNAVAILABLE", message, { report });
}
