import { BATCH, type RedisConnection } from "../../redis/connection.js";

/** Everything in a set, each once, in steps that Redis does not feel. */
export async function scanSet(connection: RedisConnection, key: string): Promise<string[]> {
  const found = new Set<string>();
  let cursor = "0";
  do {
    const [next, values] = await connection.command((client) => client.sscan(key, cursor, "COUNT", BATCH));
    for (const value of values) found.add(value);
    cursor = next;
  } while (cursor !== "0");
  return [...found];
}
