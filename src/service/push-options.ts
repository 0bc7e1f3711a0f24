import { checkId, checkList } from "../arguments.js";
import { aBoolean, milliseconds } from "../options.js";

export interface PushOptions {
  /** Uids that get nothing. @default none */
  except?: readonly (string | number)[];
  /** How long to wait for answers, in milliseconds. @default the service's `timeoutMs` */
  timeoutMs?: number;
  /** Whether to wait for the frontends' answers. @default true */
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
