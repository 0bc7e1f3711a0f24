/** Items as many at a time as are done in one go. */
export function chunks<T>(items: readonly T[], size: number): T[][] {
  const result: T[][] = [];
  for (let start = 0; start < items.length; start += size) result.push(items.slice(start, start + size));
  return result;
}

/** Items as many at a time as have this size together; one that is larger is alone. */
export function chunksBySize<T>(items: readonly T[], maxSize: number, sizeOf: (item: T) => number): T[][] {
  const result: T[][] = [];
  let room = 0;
  for (const item of items) {
    const size = sizeOf(item);
    if (size > room || result.length === 0) {
      result.push([]);
      room = maxSize;
    }
    result.at(-1)!.push(item);
    room -= size;
  }
  return result;
}

/** Repeats a step until it has nothing left to do; resolves how much it did. */
export async function repeat(step: () => Promise<number>): Promise<number> {
  let total = 0;
  for (let count = await step(); count > 0; count = await step()) total += count;
  return total;
}
