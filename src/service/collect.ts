import { GlobalChannelError, isGlobalChannelError } from "../errors.js";
import type { FrontendReplies, PushedFrontend } from "../types.js";
import type { Deadline } from "./deadline.js";
import { addFrontend, type PushReport } from "./push-report.js";

/** One frontend's part in a push. */
export interface Part extends PushedFrontend {
  /** Whom it is for, where the push named its users. */
  uids?: readonly string[];
}

/** Says whom a part was for; undefined: nobody can say. */
type ListPart = (part: Part) => Promise<readonly string[]> | undefined;

/** The part of its deadline after which a push begins to list the members of frontends that have not answered. */
const LISTING_FROM = 0.75;

/**
 * Adds to the report what became of each part: waits for every frontend's answer or its failure.
 * @throws `GC_PUSH_FAILED` every frontend failed
 */
export function collect(
  parts: readonly Part[],
  deadline: Deadline,
  report: PushReport,
  list: ListPart,
): Promise<PushReport> {
  if (parts.length === 0) return Promise.resolve(report);
  const listings = new Map<string, Promise<readonly string[]>>();
  const listUnanswered = (): void => {
    const answered = new Set(report.frontends.map(({ sid }) => sid));
    for (const part of parts) {
      const listing = answered.has(part.sid) ? undefined : list(part);
      if (!listing) continue;
      listing.catch(() => {});
      listings.set(part.sid, listing);
    }
  };
  const isListed = parts.every(({ uids, reply }) => uids ?? !reply);
  const listing = isListed ? undefined : setTimeout(listUnanswered, deadline.msLeft(LISTING_FROM));

  const failures: GlobalChannelError[] = [];
  const addFailure = async (part: Part, error: GlobalChannelError): Promise<void> => {
    failures.push(error);
    const uids = await within(listings.get(part.sid) ?? list(part), deadline.msLeft());
    const targeted = uids?.length ?? part.count ?? 0;
    const state = isKnownNotDelivered(error) ? { failed: targeted, unknown: 0 } : { failed: 0, unknown: targeted };
    const isUncounted = uids === undefined && part.count === undefined;
    const counts = { sid: part.sid, targeted, delivered: 0, ...state };
    addFrontend(report, { ...counts, error, ...(isUncounted && { isUncounted }) }, uids ?? []);
  };
  return new Promise((resolve, reject) => {
    let waiting = parts.length;
    const settle = (): void => {
      if (--waiting > 0) return;
      clearTimeout(listing);
      // Members who have left meanwhile, with their frontend's clean stop, have missed nothing.
      const isAnyoneLeft = report.frontends.some(({ targeted, isUncounted }) => targeted > 0 || isUncounted);
      if (failures.length === parts.length && isAnyoneLeft) reject(allFailed(report, failures));
      else resolve(report);
    };
    // Callbacks, not an async function for each: this runs once for each frontend of each push.
    for (const part of parts) {
      const { sid, reply } = part;
      const fail = (cause: unknown): void =>
        void addFailure(part, toGlobalChannelError(cause, sid)).then(settle, reject);
      const take = (answer: FrontendReplies["push"] | undefined): void => {
        try {
          addAnswer(report, part, answer);
        } catch (cause) {
          // It is not what a transport should give.
          fail(cause);
          return;
        }
        settle();
      };
      if (reply) reply.then(take, fail);
      else take(undefined);
    }
  });
}

/** @param answer undefined: the frontend was asked for none */
function addAnswer(report: PushReport, { sid, count }: Part, answer: FrontendReplies["push"] | undefined): void {
  if (answer) {
    const { delivered, failed } = answer;
    const targeted = delivered + failed.length;
    addFrontend(report, { sid, targeted, delivered, failed: failed.length, unknown: 0 }, failed);
    return;
  }
  const targeted = count ?? 0;
  const counts = { sid, targeted, delivered: 0, failed: 0, unknown: targeted };
  addFrontend(report, { ...counts, ...(count === undefined && { isUncounted: true }) }, []);
}

/** The value, or undefined if it is not there in time or cannot be had. Something that is there already counts as in time. */
async function within<T>(value: Promise<T> | undefined, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([value, late]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}

function isKnownNotDelivered({ code }: GlobalChannelError): boolean {
  return code === "GC_FRONTEND_UNREACHABLE" || code === "GC_FRONTEND_ERROR";
}

function toGlobalChannelError(cause: unknown, sid: string): GlobalChannelError {
  if (isGlobalChannelError(cause)) return cause;
  const message = `the transport failed for frontend ${JSON.stringify(sid)}: ${String(cause)}`;
  return new GlobalChannelError("GC_FRONTEND_ERROR", message, { cause, sid });
}

function allFailed(report: PushReport, failures: readonly GlobalChannelError[]): GlobalChannelError {
  const reasons = [...new Set(failures.map(({ message }) => message))].slice(0, 3).join("; ");
  return new GlobalChannelError("GC_PUSH_FAILED", `every targeted frontend failed: ${reasons}`, {
    cause: failures[0],
    report,
    temporary: failures.every(({ temporary }) => temporary),
  });
}
