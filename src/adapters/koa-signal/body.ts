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
  // What was aborted first: of that the parser says something else.
  const body: unknown = await Promise.race([abortOf(ctx), parse(ctx.req, { limit: maxBytes })]).catch(
    (error: unknown) => refuse(ctx, error, maxBytes),
  );
  // It reads text, too.
  return typeof body === "string" ? unsupported(ctx) : body;
}

/** Rejects where the client goes, or has gone, before all is read: a decompressor would wait for the rest. */
function abortOf({ req }: KoaContext): Promise<never> {
  return new Promise((_resolve, reject) => {
    const closed = (): void => {
      if (!req.readableEnded) reject(new Error("the request was aborted"));
    };
    if (req.destroyed) closed();
    else req.once("close", closed);
  });
}

/** Refuses in words of its own: the parser's errors have the body with them, and the token with that, which is nobody's to report. */
function refuse(ctx: KoaContext, error: unknown, maxBytes: number): never {
  const { status } = error as { status?: unknown };
  // The rest of it is not read.
  if (status === 413) ctx.throw(413, `the body may have ${maxBytes} bytes`, { headers: { Connection: "close" } });
  if (status === 415) unsupported(ctx);
  // Somebody has read it before, and kept it.
  if (typeof status === "number" && status >= 500) throw error;
  return ctx.throw(400, "the body is not what its Content-Type and Content-Encoding say");
}

function unsupported(ctx: KoaContext): never {
  return ctx.throw(415, "the body is neither JSON nor a form, or has a Content-Encoding that is not known");
}
