import { amount, milliseconds, optional, resolveOptions } from "../../options.js";

/** What is kept of a session, so that a client whose connection was lost misses nothing. */
export interface SseHistory {
  /** How many of its last events. @default 100 */
  size?: number | undefined;
  /** For how long a session without a connection is kept, in milliseconds. @default 30_000 */
  ttlMs?: number | undefined;
}

/** Options of {@link SseConnector}. */
export interface SseConnectorOptions {
  /**
   * How long clients are told to wait before they connect again, in milliseconds: each one this to twice as long, so that they do not
   * all come at once. @default 2000
   */
  retryMs?: number | undefined;
  /** How often each client gets a comment, in milliseconds, so that no proxy takes its connection for an idle one. @default 15_000 */
  heartbeatMs?: number | undefined;
  /**
   * A client that has more than this unsent when the next message comes loses its connection: it cannot keep up. So does a history that
   * has more its oldest events. In bytes. @default 1_048_576
   */
  maxBufferedBytes?: number | undefined;
  /**
   * With it, events have ids, and a client that connects again with its `Last-Event-ID`, to this same server, goes on with its session:
   * it gets what it has missed. Until then, or until `ttlMs` has passed, the session is open, its user stays in its channels, and is
   * *unknown* in the reports of pushes. @default off
   */
  history?: SseHistory | undefined;
}

/** @throws `GC_INVALID_OPTION` */
export function resolveSseOptions(options: SseConnectorOptions) {
  return resolveOptions("SseConnector", options, {
    // Twice as long must be a time for a timer, too.
    retryMs: milliseconds(2000, 1, 2 ** 30),
    heartbeatMs: milliseconds(15_000, 10),
    maxBufferedBytes: amount(1_048_576),
    history: optional((_option, given) =>
      resolveOptions("history", given, { size: amount(100), ttlMs: milliseconds(30_000) }),
    ),
  });
}
