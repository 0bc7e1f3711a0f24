import { isUtf8 } from "node:buffer";
import { checkName, describe, invalid } from "../arguments.js";
import { invalidOption } from "../options.js";
import type { Layout } from "./layout.js";

/**
 * The keys of pomelo-globalchannel-plugin: `<from>:<name>:<sid>`, each a set of the uids at that frontend. Nothing is escaped:
 * the name may have colons, the sid is what follows the last one.
 */
export class OldKeys {
  readonly from: string;

  constructor(from: string) {
    this.from = from;
  }

  /** SCAN pattern that exactly the keys below the prefix match. */
  get pattern(): string {
    return `${this.from.replace(/[\\*?[\]]/g, "\\$&")}:*`;
  }

  /** Where the name and the sid are in a key, or undefined if it does not have both. */
  split(key: Buffer): { name: Buffer; sid: Buffer } | undefined {
    const start = Buffer.byteLength(this.from) + 1;
    const colon = key.lastIndexOf(":");
    if (colon <= start || colon === key.length - 1) return undefined;
    return { name: key.subarray(start, colon), sid: key.subarray(colon + 1) };
  }

  /**
   * Refuses a prefix of ours that does not go together with this one.
   * @throws `GC_INVALID_OPTION`
   */
  checkApart(prefix: string, layout: Layout): void {
    // Ours would be among the old ones, and nothing tells them apart: `P:srv:x` and `P:{room}:m:x` are also the sets of old
    // channels named `srv` and `{room}:m`. And old servers with `cleanOnStartUp` delete all that begins with their prefix,
    // even without a colon after it.
    if (prefix.startsWith(this.from)) {
      throw invalidOption(
        "migrate",
        "prefix",
        prefix,
        `one that does not begin with the old prefix (from) ${describe(this.from)}`,
      );
    }
    // Ours would be among the old ones here too: with our prefix `gc`, keys may begin with `gc:on:` or `gc:{room}:`.
    if (this.from.startsWith(`${prefix}:{`) || layout.isOwn(`${this.from}:`)) {
      const allowed = `one that no key with the prefix ${describe(prefix)} begins with`;
      throw invalidOption("migrate", "from", this.from, allowed);
    }
  }
}

/**
 * Reads a name that others have written.
 * @throws `GC_INVALID_ARGUMENT` unless it is one that globalchannel takes
 */
export function readName(argument: string, bytes: Buffer): string {
  const name = bytes.toString();
  // Decoding turns what is not UTF-8 into U+FFFD, so that different names would be one.
  if (!isUtf8(bytes)) throw invalid(argument, name, "UTF-8");
  return checkName(argument, name);
}
