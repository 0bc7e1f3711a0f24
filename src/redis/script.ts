import { createHash } from "node:crypto";

/** A Lua script, as it is registered with clients. */
export interface Script {
  /**
   * The name of its command: with a hash of the code, so that two versions of this package, or its two module formats, can
   * share a client.
   */
  readonly command: string;
  readonly lua: string;
  /** The same for a Redis Cluster. */
  readonly clustered: Pick<Script, "command" | "lua">;
  /** Whether it also touches keys that it is not given, all in the slot of those that it is. */
  readonly findsKeys: boolean;
}

/**
 * Lua: `tell(prefix, sid, text)`: publishes a text to the pub/sub channel of a sid. In a Redis Cluster there are no patterns of
 * sharded channels: who listens to every sid's gets it by the channel without a sid, with the sid before the text.
 */
export const TELL = /* lua */ `
local function tell(prefix, sid, text) redis.call('PUBLISH', prefix .. sid, text) end
`;
const TELL_CLUSTERED = /* lua */ `
local function tell(prefix, sid, text)
  redis.call('SPUBLISH', prefix .. sid, text)
  redis.call('SPUBLISH', prefix, sid .. ' ' .. text)
end
`;

export function defineScript(name: string, lua: string, { findsKeys = false } = {}): Script {
  const clustered = lua.replaceAll(TELL, TELL_CLUSTERED);
  return Object.freeze({ ...named(name, lua), clustered: named(name, clustered), findsKeys });
}

function named(name: string, lua: string): { command: string; lua: string } {
  const hash = createHash("sha1").update(lua).digest("hex").slice(0, 8);
  return { command: `globalchannel:${name}:${hash}`, lua };
}
