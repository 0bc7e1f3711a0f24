import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measured } from "../support/statistics.js";

const WRITES = 200;
/** As much as the smallest write to a log. */
const BYTES = 512;

/** How long a write takes until it is on the disk that MySQL has its data on, in milliseconds: the median. */
export async function measureDisk(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "globalchannel-bench-"));
  const file = await open(join(folder, "file"), "w");
  try {
    const times: number[] = [];
    for (let write = 0; write < WRITES; write++) {
      const startedAt = performance.now();
      await file.write(Buffer.alloc(BYTES));
      await file.datasync();
      times.push(performance.now() - startedAt);
    }
    return measured(times).median;
  } finally {
    await file.close();
    await rm(folder, { recursive: true });
  }
}
