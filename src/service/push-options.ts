import { checkId, checkList, checkName } from "../arguments.js";
import { checkLimits } from "../history-limits.js";
import { aBoolean, milliseconds, optional } from "../options.js";
import type { HistoryLimits } from "../types.js";

export interface PushOptions {
  /** Uids that get nothing. @default none */
  except?: readonly (string | number)[];
  /** How long to wait for answers, in milliseconds. @default the service's `timeoutMs` */
  timeoutMs?: number;
  /**
   * Whether the frontends are to answer. `false`: the push is done when it is sent, which saves the answers; members whom it
   * was sent to are *unknown* and not named. @default true
   */
  ack?: boolean;
  /**
   * How much of each of the channels is kept, this message with it; `false`: it is not kept. Of pushes to channels alone.
   * @default as the cluster's option `history` says for each
   */
  history?: HistoryLimits | false;
  /**
   * Within 5 minutes only the first push of all with this key, and with the same `stype` and channels (or of all to users, of all to
   * everyone), is done; the others give its report again, with `repeated`. For calls that are made again because it is not known what
   * has become of the first. A push that has failed for all whom it was to, and is not kept, counts as none; one that was to nobody counts.
   * @default every push is done
   */
  idempotencyKey?: string;
}

/** How the options of a push are checked. */
export function pushOptions(timeoutMs: number) {
  return {
    except: (option: string, value: unknown = []) => checkList(option, value, checkId),
    timeoutMs: milliseconds(timeoutMs),
    ack: aBoolean(true),
    history: optional((option, value) => (value === false ? value : checkLimits(option, value))),
    idempotencyKey: optional(checkName),
  };
}
