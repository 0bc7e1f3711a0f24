import { GlobalChannelError, isGlobalChannelError } from "../errors.js";
import type { PushedFrontend } from "../types.js";
import type { Deadline } from "./deadline.js";
import { addFrontend, type PushReport } from "./push-report.js";

/** One frontend's part in a push, and how to list whom it was for, should it not answer (undefined: it cannot be known). */
export interface Part extends PushedFrontend {
  list: (() => Promise<string[]>) | undefined;
}

/** The part of its deadline after which a push begins to list the members of frontends that have not answered. */
const LISTING_FROM = 0.75;

/**
 * Adds to the report what became of each part: waits for every frontend's answer or its failure.
 * @throws `GC_PUSH_FAILED` every frontend failed
 */
export async function collect(parts: readonly Part[], deadline: Deadline, report: PushReport): Promise<PushReport> {
  if (parts.length === 0) return report;
  const listings = new Map<Part, Promise<string[]>>();
  const unanswered = new Set(parts);
  const listUnanswered = setTimeout(() => {
    for (const part of unanswered) {
      const listing = part.list?.();
      if (!listing) continue;
      listing.catch(() => {});
      listings.set(part, listing);
    }
  }, deadline.msLeft(LISTING_FROM));

  const failures: GlobalChannelError[] = [];
  await Promise.all(
    parts.map(async (part) => {
      const { sid, count } = part;
      try {
        const { delivered, failed } = await part.reply;
        const targeted = delivered + failed.length;
        addFrontend(report, { sid, targeted, delivered, failed: failed.length, unknown: 0 }, failed);
      } catch (cause) {
        const error = toGlobalChannelError(cause, sid);
        failures.push(error);
        const uids = await within(listings.get(part) ?? part.list?.(), deadline.msLeft());
        const targeted = uids?.length ?? count;
        const state = isKnownNotDelivered(error) ? { failed: targeted, unknown: 0 } : { failed: 0, unknown: targeted };
        addFrontend(report, { sid, targeted, delivered: 0, ...state, error }, uids ?? []);
      } finally {
        unanswered.delete(part);
      }
    }),
  );
  clearTimeout(listUnanswered);
  // Members who have left meanwhile, with their frontend's clean stop, have missed nothing.
  const isAnyoneLeft = report.frontends.some(({ targeted }) => targeted > 0);
  if (failures.length === parts.length && isAnyoneLeft) throw allFailed(report, failures);
  return report;
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
