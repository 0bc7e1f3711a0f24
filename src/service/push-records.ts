import { randomBytes } from "node:crypto";
import { GlobalChannelError, isGlobalChannelError } from "../errors.js";
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
type Recorded = Pick<ChannelPush, "record" | "id">;

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
   * @param names its channels; none if it is not to channels
   * @throws `GC_UNSUPPORTED` there is no history
   */
  send(
    kind: Kind,
    names: readonly string[],
    call: RecordedCall,
    send: (recorded: Recorded) => Promise<PushReport>,
  ): Promise<PushReport> {
    const { history } = this.#options;
    const { idempotencyKey } = call;
    const limits = names.map((name) =>
      call.history === undefined ? history?.limitsOf(name) : call.history || undefined,
    );
    if (idempotencyKey === undefined && limits.every((given) => given === undefined)) return send({});
    if (!history) {
      throw new GlobalChannelError(
        "GC_UNSUPPORTED",
        "a push that is kept, or has a key, needs a cluster with a history",
      );
    }
    const id = names.length > 1 ? randomBytes(9).toString("base64url") : undefined;
    if (idempotencyKey === undefined) return send({ record: { limits }, id });
    return this.#sendOnce(history, names, JSON.stringify([kind, call.stype, idempotencyKey]), (key) =>
      send({ record: { limits, idempotencyKey: key }, id }),
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
    const push = this.#settle(history, names, key, send(key)).finally(() => this.#underWay.delete(id));
    this.#underWay.set(id, push);
    return push;
  }

  async #settle(
    history: ChannelHistory,
    names: readonly string[],
    key: string,
    push: Promise<PushReport>,
  ): Promise<PushReport> {
    const settle = async (outcome: string | undefined): Promise<void> => history.settle(names, key, outcome);
    try {
      const report = await push;
      if (!report.repeated) this.#options.track(settle(encodeOutcome(report)).catch(this.#options.report));
      return report;
    } catch (error) {
      // Nobody has it, and nobody will: whoever tries again is to send it.
      if (isForNothing(error)) await settle(undefined).catch(this.#options.report);
      throw error;
    }
  }
}

function isForNothing(error: unknown): boolean {
  if (!isGlobalChannelError(error) || error.code !== "GC_PUSH_FAILED") return false;
  const { unknown, positions = [] } = error.report as PushReport;
  return unknown === 0 && positions.length === 0;
}
