import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** How much the heap of this process holds that is in use, in bytes: what can be collected is. */
export function heapInUse(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
