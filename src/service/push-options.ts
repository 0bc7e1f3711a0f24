import { checkId, checkList } from "../arguments.js";
import { aBoolean, milliseconds } from "../options.js";

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
}

/** How the options of a push are checked. */
export function pushOptions(timeoutMs: number) {
  return {
    except: (option: string, value: unknown = []) => checkList(option, value, checkId),
    timeoutMs: milliseconds(timeoutMs),
    ack: aBoolean(true),
  };
}
