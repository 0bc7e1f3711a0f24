import type { Redis } from "ioredis";

/** How long a Redis that does not answer may delay the end of a connection, in milliseconds. */
const PATIENCE_MS = 1000;

/** Ends a client: after the commands under way if Redis answers, without them if it does not. */
export async function disconnect(client: Redis): Promise<void> {
  if (client.status === "ready") await withPatience(client.quit());
  client.disconnect();
}

/** Waits for what would be good to have done before the end, but not for long, and whether it fails does not matter. */
export async function withPatience(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS);
  });
  await Promise.race([work.catch(() => {}), enough]);
  clearTimeout(timer);
}
