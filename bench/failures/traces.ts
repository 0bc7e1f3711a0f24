import type { Redis } from "ioredis";

const PAGE = 1000;

/** Every key that names this text, and every field or value within a key that does: what is left of a frontend, by its sid. */
export async function tracesOf(client: Redis, text: string): Promise<string[]> {
  const traces: string[] = [];
  for await (const keys of client.scanStream({ count: PAGE })) {
    for (const key of keys as string[]) {
      if (key.includes(text)) traces.push(key);
      const within = (await contentOf(client, key)).filter((value) => value.includes(text));
      traces.push(...within.map((value) => `${key}: ${value}`));
    }
  }
  return traces;
}

/** The fields of a hash with their values, the members of a set. */
async function contentOf(client: Redis, key: string): Promise<string[]> {
  const type = await client.type(key);
  if (type === "hash") return Object.entries(await client.hgetall(key)).flat();
  if (type === "set") return client.smembers(key);
  // It may have gone meanwhile.
  if (type === "none") return [];
  throw new Error(`${key} is a ${type}, of which the layout has none`);
}
