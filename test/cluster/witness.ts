import { setTimeout as sleep } from "node:timers/promises";
import type { GlobalChannelService } from "../../src/index.js";
import { monotonicMs } from "../support/monotonic.js";
import { attempt } from "./outcome.js";

/** A frontend that is about to die, and what only it has: all members of both channels, and the user's sessions. */
export interface Watched {
  sid: string;
  large: string;
  small: string;
  /** A member of both. */
  uid: string;
}

/** For how long something must not have been seen until it counts as gone. */
const GONE_FOR_MS = 500;
const PAUSE_MS = 5;

/**
 * Looks in every way there is, again and again, until nothing is seen of a frontend any more. Resolves for each way when the last
 * look began that saw something, on the monotonic clock of the machine.
 */
export async function watchUntilGone(
  service: GlobalChannelService,
  { sid, large, small, uid }: Watched,
): Promise<Record<string, number>> {
  const looks: Record<string, () => Promise<boolean>> = {
    count: async () => (await service.count(large)) > 0,
    getMembersByChannelName: async () => (await service.getMembersByChannelName("connector", small)).length > 0,
    isMember: () => service.isMember(small, uid),
    listMembers: async () => (await service.listMembers(small)).members.length > 0,
    getSids: async () => (await service.getSids(uid)).includes(sid),
    pushMessage: async () => {
      const { report, error } = await attempt(() =>
        service.pushMessage("connector", "look", null, small, { ack: false }),
      );
      return ((report ?? error?.report)?.targeted ?? 0) > 0;
    },
  };
  const seenAt = await Promise.all(
    Object.entries(looks).map(async ([way, look]) => [way, await lastOfSomething(look)] as const),
  );
  return Object.fromEntries(seenAt);
}

async function lastOfSomething(look: () => Promise<boolean>): Promise<number> {
  let seenAt = monotonicMs();
  for (;;) {
    const at = monotonicMs();
    if (await look()) seenAt = at;
    else if (at - seenAt > GONE_FOR_MS) return seenAt;
    await sleep(PAUSE_MS);
  }
}
