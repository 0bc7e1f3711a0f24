import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import { describe, invalid } from "../arguments.js";
import { reportError } from "../diagnostics.js";
import { GlobalChannelError, isTemporary } from "../errors.js";
import { aFunction, resolveOptions } from "../options.js";

export interface SocketTokenHandlerOptions<R = IncomingMessage> {
  /** Creates a token for whoever {@link SocketTokenHandlerOptions.user} says, as `OneTimeTokens.createToken` does. */
  createToken: (payload: unknown) => Promise<string>;
  /**
   * Says, at once or by a promise, whose token is asked for: what the socket gets as the payload. Undefined, null or false: nobody is
   * logged in. Gets the request, of Koa the context.
   */
  user: (request: R) => unknown;
  /** What the path of the requests ends with; it begins with `/`. @default "/user/sockettoken" */
  path?: string;
}

/** What is used of a Koa context. */
interface KoaContext extends RequestLine {
  status: number;
  body: unknown;
  set(headers: Record<string, string>): void;
}

/** One function for all: a middleware of Koa; and of `node:http`, Express and Restify, where without `next` it answers everything. */
export interface SocketTokenHandler {
  (req: IncomingMessage, res: ServerResponse, next?: (error?: unknown) => void): void;
  /** Gives a promise, as Koa wants. */
  (ctx: KoaContext, next: () => Promise<unknown>): unknown;
}

/** The request of each of them. */
interface RequestLine {
  method?: string | undefined;
  url?: string | undefined;
  /** What `url` was before it was cut for a router further in. */
  originalUrl?: string | undefined;
}

interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

type Next = (error?: unknown) => void;

/**
 * Makes a handler that gives tokens to browsers: a `GET` whose path ends with `path` gets `{"token":"…"}`, and nobody keeps a copy of that
 * (`Cache-Control: no-store`); 401 where nobody is logged in. All else, `HEAD` too, as it would get no token, is left to `next`; without
 * one it is answered with 404 or 405. What `user` throws, or that no token could be created, is left to `next` too, in Koa thrown; without
 * one it is answered with 500, or 503 where it is temporary, and told on the diagnostics channel `globalchannel:error`.
 *
 * @throws `GC_INVALID_OPTION`
 */
export function socketTokenHandler<R = IncomingMessage>(options: SocketTokenHandlerOptions<R>): SocketTokenHandler {
  const { createToken, user, path } = resolveOptions("socketTokenHandler", options, {
    createToken: aFunction<SocketTokenHandlerOptions["createToken"]>(),
    user: aFunction<(request: unknown) => unknown>(),
    path: aPath,
  });

  /** Whether it is the right path, and the right method. */
  function match({ method, originalUrl, url }: RequestLine): { path: boolean; method: boolean } {
    return { path: pathOf(originalUrl ?? url ?? "").endsWith(path), method: method === "GET" };
  }

  async function giveToken(request: unknown): Promise<Answer> {
    try {
      const payload = await user(request);
      if (payload === undefined || payload === null || payload === false) return refusal(401);
      return answer(200, { token: await createToken(payload) });
    } catch (error) {
      throw asError(error);
    }
  }

  async function serveKoa(ctx: KoaContext, next: () => Promise<unknown>): Promise<void> {
    const matched = match(ctx);
    if (!matched.path || !matched.method) {
      await next();
      return;
    }
    const { status, headers, body } = await giveToken(ctx);
    ctx.status = status;
    ctx.set(headers);
    ctx.body = body;
  }

  async function serve(req: IncomingMessage, res: ServerResponse, next: Next | undefined): Promise<void> {
    try {
      send(res, await giveToken(req));
    } catch (error) {
      if (next) {
        next(error);
        return;
      }
      reportError(handler, error);
      send(res, refusal(isTemporary(error) ? 503 : 500));
    }
    // Restify waits for the end of each handler, and false is none of the further ones. To others it would say: go on.
    if (isRestify(req)) next?.(false);
  }

  // Restify takes no function with a promise as its result that has three parameters, and none with fewer that is not async.
  function handler(
    first: KoaContext | IncomingMessage,
    second: ServerResponse | (() => Promise<unknown>),
    next?: Next,
  ): unknown {
    if (typeof second === "function") return serveKoa(first as KoaContext, second);
    const req = first as IncomingMessage;
    const matched = match(req);
    if (matched.path && matched.method) void serve(req, second, next);
    else if (next) next();
    else if (matched.path) send(second, refusal(405, { Allow: "GET" }));
    else send(second, refusal(404));
  }

  return handler;
}

function answer(status: number, body: object, headers: Record<string, string> = {}): Answer {
  const text = JSON.stringify(body);
  return {
    status,
    headers: { "Content-Type": "application/json", "Cache-Control": "no-store", ...headers },
    body: text,
  };
}

function refusal(status: number, headers?: Record<string, string>): Answer {
  return answer(status, { message: STATUS_CODES[status] }, headers);
}

function send(res: ServerResponse, { status, headers, body }: Answer): void {
  // Something before this may have lost its patience.
  if (res.headersSent) return;
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  // At once, also where what is written is compressed later: Restify takes one without for not answered.
  res.writeHead(status);
  res.end(body);
}

function pathOf(url: string): string {
  return url.split(/[?#]/, 1)[0]!;
}

function isRestify(req: IncomingMessage): boolean {
  return typeof (req as { startHandlerTimer?: unknown }).startHandlerTimer === "function";
}

/** Frameworks take what is no error for other things: nothing for no error, and a text for the name of a route. */
function asError(error: unknown): Error {
  if (error instanceof Error) return error;
  return new GlobalChannelError("GC_LISTENER_FAILED", `user or createToken threw ${describe(error)}`, { cause: error });
}

function aPath(option: string, value: unknown = "/user/sockettoken"): string {
  if (typeof value !== "string" || !/^\/[^?#]+$/.test(value)) throw invalid(option, value, "a path that begins with /");
  return value;
}
