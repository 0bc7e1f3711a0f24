// For the tests with a browser: a Koa application with a page whose peers find each other.
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { ExecutionContext } from "ava";
import Koa, { type Context, type Next } from "koa";
import signal, { type SignalMiddleware, type SignalOptions } from "../../../src/adapters/koa-signal/index.js";

const FILES: Partial<Record<string, { file: string; type: string }>> = {
  "/index.html": { file: "index.html", type: "html" },
  "/page.js": { file: "page.js", type: "js" },
  "/events.js": { file: "events.js", type: "js" },
};

export interface ApplicationOptions extends SignalOptions {
  /** Whether the page is served by a middleware before that of the swarms, or by one after it. @default "before" */
  page?: "before" | "after";
  /** Whether pages of all origins may use it. */
  cors?: boolean;
  /** The other origins that its page may use. */
  servers?: readonly string[];
}

export interface WebApplication {
  url: string;
  middleware: SignalMiddleware;
  /** What was not for the client to know. */
  errors: readonly Error[];
  /** Cuts the connections on which streams of this path are. */
  cut(path: string): void;
  /** Whoever comes back waits until the returned function is called. */
  hold(): () => void;
}

export async function startApplication(
  t: ExecutionContext,
  { page = "before", cors = false, servers = [], ...options }: ApplicationOptions = {},
): Promise<WebApplication> {
  const middleware = signal(options);
  t.teardown(() => middleware.stop());
  const streams = new Set<Context>();
  const errors: Error[] = [];
  let back: Promise<void> | undefined;

  const app = new Koa();
  app.on("error", (error: Error & { expose?: boolean }) => {
    if (!error.expose) errors.push(error);
  });
  if (cors) app.use(allowAllOrigins());
  app.use(async (ctx, next) => {
    streams.add(ctx);
    ctx.res.once("close", () => streams.delete(ctx));
    if (ctx.get("Last-Event-ID")) await back;
    await next();
  });
  const servePage = serveFiles(servers);
  if (page === "before") app.use(servePage);
  app.use(middleware);
  if (page === "after") app.use(servePage);

  const serve = app.callback();
  const http = createServer((request, response) => void serve(request, response));
  http.listen(0, "127.0.0.1");
  t.teardown(() => {
    http.closeAllConnections();
    http.close();
  });
  await once(http, "listening");
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    middleware,
    errors,
    cut: (path) => {
      for (const ctx of streams) if (ctx.path === path) ctx.req.socket.destroy();
    },
    hold: () => {
      let release!: () => void;
      back = new Promise((resolve) => (release = resolve));
      return release;
    },
  };
}

/** Its policy: scripts of this server, and connections to it and to `servers`; no inline script, and no text that becomes markup. */
function serveFiles(servers: readonly string[]) {
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    ["connect-src 'self'", ...servers].join(" "),
    "form-action 'none'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join("; ");
  return async (ctx: Context, next: Next) => {
    const found = FILES[ctx.path];
    if (!found) return next();
    ctx.type = found.type;
    ctx.set("Content-Security-Policy", policy);
    ctx.body = await readFile(new URL(`page/${found.file}`, import.meta.url));
  };
}

/** What middlewares for other origins do by default, to answers and to refusals alike. */
function allowAllOrigins() {
  const headers = { "Access-Control-Allow-Origin": "*" };
  return async (ctx: Context, next: Next) => {
    ctx.set(headers);
    if (ctx.method === "OPTIONS") {
      ctx.set("Access-Control-Allow-Methods", "GET, POST");
      ctx.set("Access-Control-Allow-Headers", ctx.get("Access-Control-Request-Headers"));
      ctx.status = 204;
      return;
    }
    try {
      await next();
    } catch (error) {
      // Koa takes the headers off an answer that an error is, but for those of the error.
      if (error instanceof Error)
        Object.assign(error, { headers: { ...(error as { headers?: object }).headers, ...headers } });
      throw error;
    }
  };
}
