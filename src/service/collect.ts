import { GlobalChannelError, isGlobalChannelError } from "../errors.js";
import type { FrontendReplies, PushedFrontend, ReplyListener, SentPush } from "../types.js";
import type { Deadline } from "./deadline.js";
import { repeatedReport } from "./push-outcome.js";
import { addFrontend, type PushReport } from "./push-report.js";

/** One frontend's part, and whom it is for where the push named its users. */
export interface Part extends PushedFrontend {
  uids?: readonly string[];
}

/** Says whom a part was for; undefined: nobody can say. */
type ListPart = (part: Part) => Promise<readonly string[]> | undefined;

/** Of how many users a part was for at least, of its count. */
type AtLeast = (count: number) => number;

const NOBODY: readonly string[] = [];

/** The part of its deadline after which a push begins to list the members of frontends that have not answered. */
const LISTING_FROM = 0.75;

/**
 * Adds to the report what became of each part: waits for every frontend's answer or its failure.
 * @throws `GC_PUSH_FAILED` every frontend failed; what sending failed with
 */
export function collect(
  sent: SentPush<Part> | Promise<SentPush<Part>>,
  deadline: Deadline,
  report: PushReport,
  list: ListPart,
  atLeast: AtLeast = (count) => count,
): Promise<PushReport> {
  return new Collector(sent, deadline, report, list, atLeast).done;
}

/** One object for each push, not a promise for each of its frontends: a backend does this for every push. */
class Collector implements ReplyListener {
  readonly done: Promise<PushReport>;
  readonly #deadline: Deadline;
  readonly #report: PushReport;
  readonly #list: ListPart;
  readonly #atLeast: AtLeast;
  readonly #failures: GlobalChannelError[] = [];
  /** Of those who have not answered soon: mostly there are none. */
  #listings: Map<string, Promise<readonly string[]>> | undefined;
  #parts: readonly Part[] = [];
  #waiting = 0;
  #listing: NodeJS.Timeout | undefined;
  #resolve!: (report: PushReport) => void;
  #reject!: (error: unknown) => void;

  constructor(
    sent: SentPush<Part> | Promise<SentPush<Part>>,
    deadline: Deadline,
    report: PushReport,
    list: ListPart,
    atLeast: AtLeast,
  ) {
    this.#atLeast = atLeast;
    this.#deadline = deadline;
    this.#report = report;
    this.#list = list;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    if (sent instanceof Promise) sent.then((push) => this.#listen(push), this.#reject);
    else this.#listen(sent);
  }

  #listen(sent: SentPush<Part>): void {
    const { appended } = sent;
    if (appended?.repeated !== undefined) {
      this.#resolve(repeatedReport(appended));
      return;
    }
    if (appended && appended.positions.length > 0) this.#report.positions = appended.positions;
    this.#parts = sent.parts;
    this.#waiting = sent.parts.length;
    if (this.#waiting === 0) {
      this.#resolve(this.#report);
      return;
    }
    sent.listen(this);
    if (this.#waiting > 0 && sent.parts.some(({ uids }) => !uids)) {
      this.#listing = setTimeout(() => this.#listUnanswered(), this.#deadline.msLeft(LISTING_FROM));
    }
  }

  answered(sid: string, reply: FrontendReplies["push"]): void {
    try {
      const { delivered, failed, unknown = NOBODY } = reply;
      const targeted = delivered + failed.length + unknown.length;
      const counts = { sid, targeted, delivered, failed: failed.length, unknown: unknown.length };
      addFrontend(this.#report, counts, unknown.length > 0 ? [...failed, ...unknown] : failed);
    } catch (cause) {
      // It is not what a transport should give.
      this.failed(sid, cause);
      return;
    }
    this.#settle();
  }

  sent(sid: string): void {
    const { count } = this.#part(sid);
    const targeted = count ?? 0;
    const counts = { sid, targeted, delivered: 0, failed: 0, unknown: targeted };
    addFrontend(this.#report, { ...counts, ...(count === undefined && { isUncounted: true }) }, []);
    this.#settle();
  }

  failed(sid: string, cause: unknown): void {
    this.#addFailure(this.#part(sid), cause).then(() => this.#settle(), this.#reject);
  }

  #part(sid: string): Part {
    return this.#parts.find((part) => part.sid === sid)!;
  }

  async #addFailure(part: Part, cause: unknown): Promise<void> {
    const error = toGlobalChannelError(cause, part.sid);
    this.#failures.push(error);
    const uids = await within(this.#listings?.get(part.sid) ?? this.#list(part), this.#deadline.msLeft());
    const isKnown = isKnownNotDelivered(cause);
    // Who has left since may have got it before, where that is not known.
    const gone = isKnown || !uids ? 0 : Math.max(0, this.#atLeast(part.count ?? 0) - uids.length);
    const targeted = (uids?.length ?? part.count ?? 0) + gone;
    const state = isKnown ? { failed: targeted, unknown: 0 } : { failed: 0, unknown: targeted };
    const isUncounted = uids === undefined && part.count === undefined;
    const counts = { sid: part.sid, targeted, delivered: 0, ...state };
    addFrontend(this.#report, { ...counts, error, ...(isUncounted && { isUncounted }) }, uids ?? []);
  }

  #listUnanswered(): void {
    const answered = new Set(this.#report.frontends.map(({ sid }) => sid));
    for (const part of this.#parts) {
      const listing = answered.has(part.sid) ? undefined : this.#list(part);
      if (!listing) continue;
      listing.catch(() => {});
      (this.#listings ??= new Map()).set(part.sid, listing);
    }
  }

  #settle(): void {
    if (--this.#waiting > 0) return;
    clearTimeout(this.#listing);
    // Members who have left meanwhile, with their frontend's clean stop, have missed nothing.
    const hasAllFailed = this.#failures.length === this.#parts.length;
    if (hasAllFailed && this.#report.frontends.some(({ targeted, isUncounted }) => targeted > 0 || isUncounted)) {
      this.#reject(allFailed(this.#report, this.#failures));
    } else this.#resolve(this.#report);
  }
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

/** What is none of the errors that transports are to give says nothing: it may have come after the request had arrived. */
function isKnownNotDelivered(cause: unknown): boolean {
  return (
    isGlobalChannelError(cause) && (cause.code === "GC_FRONTEND_UNREACHABLE" || cause.code === "GC_FRONTEND_ERROR")
  );
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
