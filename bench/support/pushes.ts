export const ROUTE = "onChat";

/** A chat message; its number comes last, where the clients look for it. */
export function message(number: number): object {
  return { from: "user-1000000", text: "The quick brown fox jumps over the lazy dog, and comes back.", number };
}

/** Who is in a channel: `count` users, in turn at each of the frontends. */
export function membersOf(count: number, sids: readonly string[]): { uid: string; sid: string }[] {
  return Array.from({ length: count }, (_, index) => ({
    uid: `user-${1_000_000 + index}`,
    sid: sids[index % sids.length]!,
  }));
}
