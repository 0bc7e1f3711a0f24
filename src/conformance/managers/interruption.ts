import type { ChannelManager } from "../../types.js";
import type { ConformanceCase } from "../case.js";
import { CUT_WRITES, followCutWrite } from "./cut-write.js";
import { managerCase } from "./manager-case.js";

/** What a failure of the network, or the end of a process, leaves of the writes that were under way. */
export const interruptionCases: readonly ConformanceCase<ChannelManager>[] = CUT_WRITES.flatMap((write) => [
  managerCase(
    `interruption › ${write.does} that loses its connection settles, is whole as far as it went, and can be completed`,
    write.requires,
    ({ open, interrupt }) => followCutWrite(write, open, interrupt),
  ),
  managerCase(
    `stop › ${write.does} of an instance stopped by force settles, is whole as far as it went, and can be completed`,
    write.requires,
    (stage) => followCutWrite(write, stage.open, (writer) => stage.stop(writer, true)),
  ),
]);
