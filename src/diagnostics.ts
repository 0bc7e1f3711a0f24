import { channel } from "node:diagnostics_channel";

const errors = channel("globalchannel:error");

/** What the subscribers of the diagnostics channel `globalchannel:error` get. */
export interface ErrorMessage {
  /** The service or frontend that met it. */
  source: object;
  error: Error;
}

/** Tells of an error that no caller waits for. Never throws, never logs. */
export function reportError(source: object, error: unknown): void {
  errors.publish({ source, error: error instanceof Error ? error : new Error(String(error)) } satisfies ErrorMessage);
}
