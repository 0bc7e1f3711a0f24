import { diagnostics, type PushSettledMessage } from "../diagnostics.js";
import type { PushReport } from "./push-report.js";

/** A push as it was called for, before anything of it was checked. */
export interface CalledPush extends Pick<PushSettledMessage, "stype" | "route"> {
  name?: string | readonly string[];
  uids?: readonly unknown[];
}

/** Makes a push, and tells on the diagnostics channel what became of it. */
export function tellOfPush(service: object, push: CalledPush, make: () => Promise<PushReport>): Promise<PushReport> {
  const { stype, route, name, uids } = push;
  const startedAt = performance.now();
  const tell = (outcome: Pick<PushSettledMessage, "report" | "error">): void =>
    diagnostics.push.publish({
      service,
      stype,
      route,
      ...(name !== undefined && { names: typeof name === "string" ? [name] : name }),
      ...(uids && { uids: uids.length }),
      ...outcome,
      ms: performance.now() - startedAt,
    });
  const made = make();
  made.then(
    (report) => tell({ report }),
    (error: Error & { report?: PushReport }) => tell({ error, ...(error.report && { report: error.report }) }),
  );
  return made;
}
