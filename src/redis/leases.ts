/*
 * A lease in the hash of servers is `<deadline> <live> <incarnation> <stype> <holder> <term>`: the deadline in milliseconds on the
 * clock of Redis, live 1 once it was renewed, the next three percent-encoded so that they have no spaces. The term names how the
 * lease began when it was last not just held on, `missing:…` or `lapsed:…`, `reserved` at first: whoever renews a lease says
 * which term it has heard of, so that it learns of another one also where the answer to the renewal that began it was lost.
 */

/** Lua: `now()`: the time in milliseconds. */
export const NOW = /* lua */ `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
`;

/** Lua: `parseLease(lease)`: its deadline, whether it is live, its incarnation, and the rest as text; and {@link NOW}. */
export const LEASES = /* lua */ `${NOW}
local function parseLease(lease)
  local deadline, live, incarnation, rest = string.match(lease, '^(%d+) (%d) (%S+) (.*)$')
  return tonumber(deadline), live == '1', incarnation, rest
end
`;

/** Whether a lease is live, at a time as Redis tells it. */
export function isLiveLease(lease: string, [seconds, microseconds]: readonly (string | number)[]): boolean {
  const [deadline, live] = lease.split(" ");
  return live === "1" && Number(deadline) > Number(seconds) * 1000 + Number(microseconds) / 1000;
}
