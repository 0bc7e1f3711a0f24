import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster, Redis } from "ioredis";
import { CONNECT_TIMEOUT_MS } from "./source.js";
import { unavailable } from "./store-error.js";
import type { Subscriptions } from "./subscriptions.js";

/** The connections of one process to what keeps the data: one Redis, or a Redis Cluster. */
export interface Link {
  readonly client: Redis | Cluster;
  readonly subscriptions: Subscriptions;
  /** @throws `GC_STORE_UNAVAILABLE`, `GC_STORE_ERROR`, what the clients do */
  open(): Promise<void>;
  /** Disconnects what {@link open} has connected. */
  close(): Promise<void>;
  /** Lets all the commands of this tick leave in one system call; the promises that they are waited for by run first. */
  cork(): void;
  /** The clients of the servers that keys are at. */
  servers(): readonly Redis[];
}

/** Settles as `answer` does, or fails where that takes longer than a new connection may: an injected client may wait for ever. */
export function inTime<T>(answer: Promise<T>): Promise<T> {
  const late = sleep(CONNECT_TIMEOUT_MS, undefined, { ref: false }).then(() => {
    throw unavailable(`no answer within ${CONNECT_TIMEOUT_MS} ms`);
  });
  return Promise.race([answer, late]);
}

/** Waits until a client is ready for commands; an injected one may be so already. */
export async function ready(client: Redis | Cluster): Promise<void> {
  if (client.status === "ready") return;
  let lastError: unknown;
  const onError = (error: unknown): void => {
    lastError = error;
  };
  client.on("error", onError);
  let timer: NodeJS.Timeout | undefined;
  let onEnd: (() => void) | undefined;
  let onReady: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      onReady = resolve;
      onEnd = () => reject(unavailable("the client has ended", lastError));
      client.once("ready", onReady);
      client.once("end", onEnd);
      timer = setTimeout(
        () => reject(unavailable(`no connection within ${CONNECT_TIMEOUT_MS} ms`, lastError)),
        CONNECT_TIMEOUT_MS,
      );
      if (client.status === "wait" || client.status === "end") {
        client
          .connect()
          .catch((error: unknown) => reject(unavailable("the connection was refused", lastError ?? error)));
      }
    });
  } finally {
    clearTimeout(timer);
    client.off("error", onError);
    if (onReady) client.off("ready", onReady);
    if (onEnd) client.off("end", onEnd);
  }
}
