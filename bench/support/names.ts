/** The type of the frontends of the benches. */
export const STYPE = "connector";

export function sidsOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `connector-${index + 1}`);
}
