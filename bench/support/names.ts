/** The type of the frontends of the benches. */
export const STYPE = "connector";

export function sidsOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `connector-${index + 1}`);
}

/** Who is in a channel: `count` users, in turn at each of the frontends. */
export function membersOf(count: number, sids: readonly string[]): { uid: string; sid: string }[] {
  return Array.from({ length: count }, (_, index) => ({
    uid: `user-${1_000_000 + index}`,
    sid: sids[index % sids.length]!,
  }));
}
