import type { Duplex } from "node:stream";

/** Lets all that is written in one tick leave in one system call; the promises that it is waited for by run first. */
export function corkForTick(stream: Duplex): void {
  if (stream.writableCorked > 0) return;
  stream.cork();
  process.nextTick(() => stream.uncork());
}
