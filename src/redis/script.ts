import { createHash } from "node:crypto";

/** A Lua script, as it is registered with clients. */
export interface Script {
  /**
   * The name of its command: with a hash of the code, so that two versions of this package, or its two module formats, can
   * share a client.
   */
  readonly command: string;
  readonly lua: string;
}

export function defineScript(name: string, lua: string): Script {
  const hash = createHash("sha1").update(lua).digest("hex").slice(0, 8);
  return Object.freeze({ command: `globalchannel:${name}:${hash}`, lua });
}
