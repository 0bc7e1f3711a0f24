import parse from "co-body";
import type { KoaContext } from "./context.js";

/** What a peer posts; none of it is checked. */
export interface SignalBody {
  token?: unknown;
  data?: unknown;
  cid?: unknown;
}

/**
 * The body of a request, JSON or a form; where a middleware has parsed it before, what that has made of it.
 * @throws with the status 400, 413 or 415
 */
export async function readBody(ctx: KoaContext, maxBytes: number): Promise<SignalBody> {
  const given: unknown = (ctx.request as { body?: unknown }).body;
  const body: unknown = given ?? (await parseBody(ctx, maxBytes));
  return typeof body === "object" && body !== null ? body : {};
}

async function parseBody(ctx: KoaContext, maxBytes: number): Promise<unknown> {
  const body: unknown = await parse(ctx.req, { limit: maxBytes }).catch((error: unknown) =>
    refuse(ctx, error, maxBytes),
  );
  // It reads text, too.
  if (typeof body === "string") ctx.throw(415, "the body is neither JSON nor a form");
  return body;
}

function refuse(ctx: KoaContext, error: unknown, maxBytes: number): never {
  const { status } = error as { status?: unknown };
  // The rest of it is not read.
  if (status === 413) ctx.throw(413, `the body may have ${maxBytes} bytes`, { headers: { Connection: "close" } });
  // What a decompressor says.
  if (status === undefined) ctx.throw(400, "the body is not what Content-Encoding says", { cause: error });
  throw error;
}
