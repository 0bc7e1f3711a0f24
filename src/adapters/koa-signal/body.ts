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
  try {
    return await parse(ctx.req, { limit: maxBytes });
  } catch (error) {
    if ((error as { status?: unknown }).status !== 413) throw error;
    // The rest of it is not read.
    return ctx.throw(413, `the body may have ${maxBytes} bytes`, { headers: { Connection: "close" } });
  }
}
