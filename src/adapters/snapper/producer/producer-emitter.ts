import { EventEmitter } from "node:events";
import { reportError } from "../../../diagnostics.js";
import type { GlobalChannelError } from "../../../errors.js";
import type { Reconnecting } from "./broker-client.js";

/** What a producer tells. */
export interface ProducerEvents {
  /** It is connected, and the broker has let it in; the first time, and again after each loss. */
  connect: [];
  /** Its connection is lost, or could not be made: it tries again. */
  reconnecting: [Reconnecting];
  /** Everything that it was given is confirmed, or has failed. */
  drain: [];
  /** What no caller is told of, or not every one; see {@link Producer}. */
  error: [GlobalChannelError];
  /** It is closed for good. */
  close: [];
}

/** Tells events, each in a turn of its own: what a listener throws is the application's uncaught exception, and stops nothing here. */
export class ProducerEmitter extends EventEmitter<ProducerEvents> {
  protected tell<T extends keyof ProducerEvents>(type: T, ...event: ProducerEvents[T]): void {
    process.nextTick(() => (this as EventEmitter).emit(type, ...event));
  }

  /** Where nobody listens, an `error` would end the process: then it is a warning of that. */
  protected tellError(error: GlobalChannelError): void {
    reportError(this, error);
    if (this.listenerCount("error") > 0) this.tell("error", error);
    else
      process.emitWarning(`${error.message} (an error of a Producer without a listener of errors)`, {
        code: error.code,
      });
  }
}
