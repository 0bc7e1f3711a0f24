import { OneTimeTokens } from "../../src/tokens/one-time-tokens.js";
import { RedisConnection, RedisTokenStore } from "../../src/redis/index.js";
import { serveParent } from "../support/process.js";

// A process that uses tokens: `use-process.ts <url> <prefix>`.

const [url = "", prefix = ""] = process.argv.slice(2);
const store = new RedisTokenStore(new RedisConnection(url, { prefix }));
await store.start();
const tokens = new OneTimeTokens({ store });

async function use(token: string): Promise<unknown> {
  try {
    return await tokens.useToken(token);
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
}

/** What serves the parent. */
export type UseProcess = typeof api;

const api = {
  /** Uses a token several times at once. Resolves the payloads, or the codes of errors. */
  useMany: (token: string, times: number) => Promise.all(Array.from({ length: times }, () => use(token))),
};
serveParent(api);
