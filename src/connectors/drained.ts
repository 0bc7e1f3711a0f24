import type { Writable } from "node:stream";

/** Resolves when a stream has room again for what is written to it, or is gone. */
export function drained(stream: Pick<Writable, "writableNeedDrain" | "destroyed" | "once" | "off">): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || !stream.writableNeedDrain) {
      resolve();
      return;
    }
    const done = (): void => {
      stream.off("drain", done);
      stream.off("close", done);
      resolve();
    };
    stream.once("drain", done);
    stream.once("close", done);
  });
}
