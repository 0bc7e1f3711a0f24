import type { Redis } from "ioredis";

/** Whether Redis answers on this connection now. One that does not answer ends by its `socketTimeout`. */
export async function answers(client: Redis): Promise<boolean> {
  if (client.status !== "ready") return false;
  return client.ping().then(
    () => true,
    () => false,
  );
}
