import type { History, Violation } from "../history.js";

/** What a backend may have on its heap at the end, which has all its events, too. */
const HEAP_BYTES = 128 * 1024 * 1024;

/** No process ends by itself, and none keeps what it does not need. */
export function checkProcesses({ lives }: History): Violation[] {
  return lives.flatMap(({ id, end, output, heapBytes = 0 }): Violation[] => {
    const about = { life: id };
    if (end === "by itself") return [{ invariant: "6 processes", message: `${id} ended by itself:\n${output}`, about }];
    if (heapBytes <= HEAP_BYTES) return [];
    return [{ invariant: "6 processes", message: `${id} has ${Math.round(heapBytes / 1e6)} MB on its heap`, about }];
  });
}
