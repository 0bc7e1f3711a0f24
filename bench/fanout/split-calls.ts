import type { Cell } from "../cluster/sample.js";
import { round } from "../support/statistics.js";

/** Who has called the commands of a push. */
export interface SplitCalls {
  commandsFromClients: number;
  callsInsideScripts: number;
}

/** What clients send; all else is called by scripts. */
const SENT_BY_CLIENTS = ["evalsha", "eval", "smembers", "sadd", "srem", "spublish", "xread"];

/**
 * Redis counts a command that a script calls like one that a client sends. The scripts of `globalchannel` and `raw` publish to
 * each frontend, that of Relay adds to streams; other PUBLISH and XADD are sent by clients. So it is where nothing but pushes
 * is going on: scripts that change members publish too.
 */
export function splitCalls({ contender, frontends }: Cell, calls: Record<string, number>): SplitCalls {
  const { evalsha = 0, publish = 0, xadd = 0 } = calls;
  const total = Object.values(calls).reduce((sum, count) => sum + count, 0);
  const sent = SENT_BY_CLIENTS.reduce((sum, command) => sum + (calls[command] ?? 0), 0);
  const publishedByScripts = contender === "original" ? 0 : evalsha * frontends;
  const added = contender === "Relay" ? 0 : xadd;
  const fromClients = sent + Math.max(0, publish - publishedByScripts) + added;
  return { commandsFromClients: round(fromClients), callsInsideScripts: round(Math.max(0, total - fromClients)) };
}
