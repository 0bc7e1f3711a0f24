import { randomBytes } from "node:crypto";
import { GlobalChannelError, isGlobalChannelError } from "../errors.js";
import { invalidOption } from "../options.js";
import type { ChannelHistory, ChannelPush, HistoryLimits } from "../types.js";
import { encodeOutcome } from "./push-outcome.js";
import type { PushReport } from "./push-report.js";

/** What a push says about its history. */
interface RecordedCall {
  stype: string;
  history?: HistoryLimits | false | undefined;
  idempotencyKey?: string | undefined;
}

/** What a push is to: their idempotency keys are apart. */
type Kind = "channels" | "users" | "everyone";

/** What a push is sent with. */
type Recorded = Pick<ChannelPush, "record" | "id" | "names">;

interface PushRecordsOptions {
  history: ChannelHistory | undefined;
  report: (error: unknown) => void;
  /** Is given what goes on after a push is done. */
  track: (late: Promise<unknown>) => void;
}

/** Sees to it that pushes are kept, and that one with an idempotency key is done once. */
export class PushRecords {
  readonly #options: PushRecordsOptions;
  /** Those with keys that are under way in this service. */
  readonly #underWay = new Map<string, Promise<PushReport>>();

  constructor(options: PushRecordsOptions) {
    this.#options = options;
  }

  /**
   * Sends a push, with what is to be kept of it.
   * @param given its channels; none if it is not to channels
   * @throws `GC_UNSUPPORTED` there is no history; `GC_INVALID_OPTION` what is to no channel is to be kept
   */
  send(
    kind: Kind,
    given: readonly string[],
    call: RecordedCall,
    send: (recorded: Recorded) => Promise<PushReport>,
  ): Promise<PushReport> {
    const { history } = this.#options;
    const { idempotencyKey } = call;
    if (kind !== "channels" && call.history !== undefined) {
      throw invalidOption("push", "history", call.history, "left out, as the push is to no channel");
    }
    // Pushes with one key are the same in whichever order they name their channels.
    const names = idempotencyKey === undefined ? given : given.toSorted();
    const limits = names.map((name) =>
      call.history === undefined ? history?.limitsOf(name) : call.history || undefined,
    );
    if (idempotencyKey === undefined && limits.every((limit) => limit === undefined)) return send({ names });
    if (!history) {
      throw new GlobalChannelError(
        "GC_UNSUPPORTED",
        "a push that is kept, or has a key, needs a cluster with a history",
      );
    }
    const id = names.length > 1 ? randomBytes(9).toString("base64url") : undefined;
    if (idempotencyKey === undefined) return send({ names, record: { limits }, id });
    return this.#sendOnce(history, names, JSON.stringify([kind, call.stype, idempotencyKey]), (key) =>
      send({ names, record: { limits, idempotencyKey: key }, id }),
    );
  }

  #sendOnce(
    history: ChannelHistory,
    names: readonly string[],
    key: string,
    send: (key: string) => Promise<PushReport>,
  ): Promise<PushReport> {
    const id = JSON.stringify([key, ...names]);
    const first = this.#underWay.get(id);
    if (first) return first.then((report) => ({ ...report, repeated: true }));
    const push = this.#settle(history, names, key, send(key), () => this.#underWay.delete(id));
    this.#underWay.set(id, push);
    return push;
  }

  /** Lets the history know what has become of a push. @param settled is called once it does */
  async #settle(
    history: ChannelHistory,
    names: readonly string[],
    key: string,
    push: Promise<PushReport>,
    settled: () => void,
  ): Promise<PushReport> {
    const settle = async (outcome: string | undefined): Promise<void> => {
      try {
        await history.settle(names, key, outcome);
      } catch (error) {
        this.#options.report(error);
      }
    };
    try {
      const report = await push;
      // Until then whoever comes with the same key learns it here.
      this.#options.track((report.repeated ? Promise.resolve() : settle(encodeOutcome(report))).then(settled));
      return report;
    } catch (error) {
      const report = isGlobalChannelError(error) && error.code === "GC_PUSH_FAILED" && (error.report as PushReport);
      // Where nobody has it, and nobody will, whoever tries again is to send it.
      if (report) await settle(isForNothing(report) ? undefined : encodeOutcome(report));
      settled();
      throw error;
    }
  }
}

function isForNothing({ unknown, positions = [] }: PushReport): boolean {
  return unknown === 0 && positions.length === 0;
}
