import type { IncomingMessage, ServerResponse } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { isGlobalChannelError } from "../../../errors.js";
import type { TokenVerifier } from "../tokens/token-verifier.js";
import { checkBackendToken } from "./backend-token.js";
import { tokenIn } from "./consumers/engine.js";

interface HttpRequestsOptions {
  tokens: TokenVerifier;
  stats: () => Promise<object>;
  report: (error: unknown) => void;
}

/** Whose token may see the statistics: `signAuth({ name: "snapper" })`. */
const STATS_NAME = "snapper";

/** Answers what is asked of a broker by HTTP: what it is, and with `GET /stats?token=` what all of them have done. */
export function httpRequests(
  options: HttpRequestsOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    answer(request, options).then(
      ({ status, body }) => {
        response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store" });
        response.end(JSON.stringify(body));
      },
      (error: unknown) => {
        options.report(error);
        response.writeHead(503).end();
      },
    );
  };
}

async function answer(
  request: IncomingMessage,
  { tokens, stats }: HttpRequestsOptions,
): Promise<{ status: number; body: object }> {
  if (request.method !== "GET") return { status: 405, body: { error: "Method Not Allowed" } };
  switch (request.url?.split("?", 1)[0]) {
    case "/":
      return { status: 200, body: WHAT };
    case "/stats":
      try {
        if (checkBackendToken(tokens.verify(tokenIn(request)))["name"] !== STATS_NAME)
          return { status: 400, body: { error: "Bad Request" } };
      } catch (error) {
        if (isGlobalChannelError(error)) return { status: 401, body: { error: "Unauthorized" } };
        throw error;
      }
      return { status: 200, body: { ...WHAT, ...(await stats()) } };
    default:
      return { status: 404, body: { error: "Not Found" } };
  }
}

const { version } = createRequire(join(import.meta.dirname, "index.js"))("globalchannel/package.json") as {
  version: string;
};
const WHAT = { server: "globalchannel", version };
