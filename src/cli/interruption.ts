import { constants } from "node:os";

/** How long what does not end by itself may delay the end after a signal, in milliseconds. */
const PATIENCE_MS = 2000;
/** The same for a server, which answers what it was asked first. */
const SERVER_PATIENCE_MS = 10_000;

/** SIGINT and SIGTERM: the first one lets the command end what is under way, the second one ends it at once. */
export class Interruption {
  readonly #stop = new AbortController();
  #isServer = false;

  /** Aborted by the first one. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  listen(): void {
    // Not `once`: what restores the cursor would end the process at once if nobody else listened.
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => this.#interrupt(signal));
  }

  /** The command runs until it is interrupted, and has succeeded where it ends in order then. */
  expect(): void {
    this.#isServer = true;
  }

  #interrupt(signal: "SIGINT" | "SIGTERM"): void {
    const interrupted = 128 + constants.signals[signal];
    if (this.signal.aborted) process.exit(interrupted);
    if (!this.#isServer) process.exitCode = interrupted;
    this.#stop.abort();
    setTimeout(() => process.exit(interrupted), this.#isServer ? SERVER_PATIENCE_MS : PATIENCE_MS).unref();
  }
}
