import { MemoryChannelManager } from "../../../src/managers/memory.js";
import type { ChannelManager, Membership } from "../../../src/types.js";
import { type Broken, alter, same } from "./broken.js";

type Manager = Required<ChannelManager>;

/** A manager that is sound but for what `change` makes anew of it. */
export function broken(
  does: string,
  topics: readonly string[],
  change: (sound: MemoryChannelManager) => Partial<Manager>,
): Broken<ChannelManager> {
  return {
    does,
    topics,
    make: () => same(alter(new MemoryChannelManager(), change)),
  };
}

export const isMember = (sound: MemoryChannelManager, { name, uid, sid }: Membership) =>
  sound.getMembersBySid(name, sid).includes(uid);
