import { EventEmitter } from "node:events";
import { reportError } from "../diagnostics.js";
import { GlobalChannelError } from "../errors.js";
import { SERVICE_EVENTS, type ServiceEvents } from "./service-events.js";

/** Tells events to listeners who may fail, at once or later: nobody but the diagnostics channel hears of it. */
export class ServiceEmitter extends EventEmitter<ServiceEvents> {
  constructor() {
    super({ captureRejections: true });
  }

  protected tell<T extends keyof ServiceEvents>(type: T, event: ServiceEvents[T][0]): void {
    try {
      (this as EventEmitter).emit(type, event);
    } catch (cause) {
      this.#report(type, cause);
    }
  }

  /** Whether anybody listens. */
  protected get isHeard(): boolean {
    return SERVICE_EVENTS.some((type) => this.listenerCount(type) > 0);
  }

  /** Calls back before each listener is added. */
  protected onListener(added: () => void): void {
    (this as EventEmitter).on("newListener", (type) => {
      if ((SERVICE_EVENTS as readonly unknown[]).includes(type)) added();
    });
  }

  /** Gets what the promises of listeners reject with. */
  override [EventEmitter.captureRejectionSymbol](...[cause, type]: [unknown, unknown, ...unknown[]]): void {
    this.#report(String(type), cause);
  }

  #report(type: string, cause: unknown): void {
    reportError(this, new GlobalChannelError("GC_LISTENER_FAILED", `a listener of ${type} failed`, { cause }));
  }
}
