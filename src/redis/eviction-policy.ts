import type { Redis } from "ioredis";

/** Warned of already. */
const warned = new Set<string>();

/** Warns, once in a process, where a server may throw keys away when its memory is full: members would leave in silence. */
export async function warnOfEviction(server: Redis): Promise<void> {
  // Who may not ask for it is not warned.
  const info = await server.info("memory").catch(() => "");
  const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  if (policy === undefined || policy === "noeviction") return;
  const { host, port, path } = server.options;
  const message =
    `Redis at ${path ?? `${host}:${port}`} has maxmemory-policy ${policy}: it may throw members and leases away. ` +
    "Set it to noeviction.";
  if (warned.has(message)) return;
  warned.add(message);
  process.emitWarning(message, { type: "GlobalChannelWarning", code: "EVICTION_POLICY" });
}
