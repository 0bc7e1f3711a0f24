/** The type of the frontends of the benches. */
export const STYPE = "connector";

export function sidsOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `connector-${index + 1}`);
}

/** The users are in turn at each of the frontends. */
export function memberAt(index: number, sids: readonly string[]): { uid: string; sid: string } {
  return { uid: `user-${1_000_000 + index}`, sid: sids[index % sids.length]! };
}

/** Who is in a channel: `count` users. */
export function membersOf(count: number, sids: readonly string[]): { uid: string; sid: string }[] {
  return Array.from({ length: count }, (_, index) => memberAt(index, sids));
}
