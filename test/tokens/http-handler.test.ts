import diagnosticsChannel from "node:diagnostics_channel";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import test, { type ExecutionContext } from "ava";
import express from "express";
import Koa, { type Context } from "koa";
import restify from "restify";
import { GlobalChannelError, memory } from "../../src/index.js";
import { socketTokenHandler, type SocketTokenHandlerOptions } from "../../src/tokens/http-handler.js";
import { OneTimeTokens } from "../../src/tokens/one-time-tokens.js";
import { eventually } from "../cluster/cluster.js";

const PATH = "/user/sockettoken";

/** What an application has behind its session. */
function userOf({ headers }: { headers: IncomingMessage["headers"] }): unknown {
  const name = headers["x-user"];
  if (name === "boom") throw new Error("secret detail");
  // oxlint-disable-next-line typescript/only-throw-error -- as applications may
  if (name === "nothing") throw undefined;
  if (name === "text") return Promise.reject("a route"); // oxlint-disable-line typescript/prefer-promise-reject-errors
  if (name === "false") return false;
  return name === undefined ? undefined : Promise.resolve({ uid: name });
}

type Options = Pick<SocketTokenHandlerOptions, "createToken"> & { path?: string };

/** Serves a handler, and says `after` to everything else where there is something after it. Resolves the URL. */
type Serve = (t: ExecutionContext, options: Options) => Promise<string>;

async function listen(t: ExecutionContext, server: Pick<Server, "listen" | "close" | "address">): Promise<string> {
  const listening = new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  await listening;
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function expressApp(t: ExecutionContext, use: (app: express.Express) => void): Promise<string> {
  const app = express();
  app.set("env", "test");
  use(app);
  app.use((_req, res) => void res.status(404).send("after"));
  return listen(t, createServer(app));
}

function restifyServer(t: ExecutionContext, use: (server: restify.Server) => void): Promise<string> {
  const server = restify.createServer();
  use(server);
  server.get("/other", (_req, res, next) => {
    res.send(404, "after");
    next();
  });
  let requests = 0;
  let finished = 0;
  server.on("request", () => requests++);
  server.on("after", () => finished++);
  t.teardown(async () => {
    // It counts those that are under way, and must not count ours for ever.
    await eventually(() => server.inflightRequests() === 0 && finished === requests, 5000);
  });
  return listen(t, server);
}

const FRAMEWORKS: Record<string, Serve> = {
  "node:http": (t, options) => listen(t, createServer(socketTokenHandler({ ...options, user: userOf }))),
  "express middleware": (t, options) =>
    expressApp(t, (app) => app.use(socketTokenHandler({ ...options, user: userOf }))),
  "express route": (t, options) =>
    expressApp(t, (app) => app.get(options.path ?? PATH, socketTokenHandler({ ...options, user: userOf }))),
  "express router": (t, options) =>
    expressApp(t, (app) => app.use("/user", express.Router().use(socketTokenHandler({ ...options, user: userOf })))),
  "restify route": (t, options) =>
    restifyServer(t, (server) => {
      server.get(options.path ?? PATH, socketTokenHandler({ ...options, user: userOf }), (_req, res, next) => {
        res.send("further");
        next();
      });
    }),
  "restify pre": (t, options) =>
    restifyServer(t, (server) => server.pre(socketTokenHandler({ ...options, user: userOf }))),
  // As Transom has it.
  "restify compressed": (t, options) =>
    restifyServer(t, (server) => {
      server.use(restify.plugins.gzipResponse());
      server.get(options.path ?? PATH, socketTokenHandler({ ...options, user: userOf }));
    }),
  koa: (t, options) => {
    const app = new Koa();
    app.silent = true;
    app.use(socketTokenHandler<Context>({ ...options, user: userOf }));
    app.use((ctx) => {
      ctx.status = 404;
      ctx.body = "after";
    });
    const callback = app.callback();
    return listen(
      t,
      createServer((req, res) => void callback(req, res)),
    );
  },
};

for (const [framework, serve] of Object.entries(FRAMEWORKS)) {
  const isPlain = framework === "node:http";

  test(`${framework}: whoever is logged in gets a token that says who it is`, async (t) => {
    const tokens = new OneTimeTokens({ store: memory().tokens! });
    const url = await serve(t, { createToken: (payload) => tokens.createToken(payload) });

    for (const query of ["", "?a=b/c"]) {
      const response = await fetch(`${url}${PATH}${query}`, { headers: { "x-user": "ann" } });

      t.is(response.status, 200);
      t.is(response.headers.get("content-type"), "application/json");
      t.is(response.headers.get("cache-control"), "no-store");
      const body = (await response.json()) as { token: string };
      t.deepEqual(Object.keys(body), ["token"]);
      t.deepEqual(await tokens.useToken(body.token), { uid: "ann" });
    }
  });

  test(`${framework}: nobody else gets one`, async (t) => {
    const payloads: unknown[] = [];
    const url = await serve(t, { createToken: async (payload) => `token ${payloads.push(payload)}` });

    for (const headers of [{}, { "x-user": "false" }]) {
      const response = await fetch(url + PATH, { headers });
      t.is(response.status, 401);
      t.is(response.headers.get("cache-control"), "no-store");
      t.deepEqual(await response.json(), { message: "Unauthorized" });
    }
    for (const user of ["boom", "nothing", "text"]) {
      const response = await fetch(url + PATH, { headers: { "x-user": user } });
      t.is(response.status, 500, user);
      const body = await response.text();
      // What those with an error handler of their own say of it is theirs.
      if (isPlain || framework === "koa") t.notRegex(body, /secret detail/);
      t.notRegex(body, /further|after/);
    }
    t.deepEqual(payloads, []);
  });

  test(`${framework}: other paths and methods are left alone`, async (t) => {
    const url = await serve(t, { createToken: async () => "token" });
    const headers = { "x-user": "ann" };

    for (const path of ["/other", "/other?/user/sockettoken"]) {
      const response = await fetch(url + path, { headers });
      t.is(response.status, 404, path);
      t.is((await response.text()).includes("after"), !isPlain);
    }
    for (const method of ["POST", "HEAD", "DELETE", "OPTIONS"]) {
      const response = await fetch(url + PATH, { method, headers });
      t.false((await response.text()).includes('"token"'), method);
      if (!isPlain) continue;
      t.is(response.status, 405);
      t.is(response.headers.get("allow"), "GET");
    }
  });

  test(`${framework}: a path may be another one`, async (t) => {
    const url = await serve(t, { createToken: async () => "given", path: "/user/ticket" });
    const headers = { "x-user": "ann" };

    t.deepEqual(await (await fetch(`${url}/user/ticket`, { headers })).json(), { token: "given" });
    t.is((await fetch(url + PATH, { headers })).status, 404);
  });

  test(`${framework}: many at the same time get one each`, async (t) => {
    const tokens = new OneTimeTokens({ store: memory().tokens! });
    const url = await serve(t, { createToken: (payload) => tokens.createToken(payload) });

    const given = await Promise.all(
      Array.from({ length: 50 }, async (_value, index) => {
        const response = await fetch(url + PATH, { headers: { "x-user": `user ${index}` } });
        return ((await response.json()) as { token: string }).token;
      }),
    );

    for (const [index, token] of given.entries()) t.deepEqual(await tokens.useToken(token), { uid: `user ${index}` });
  });
}

test("whatever is before the path, it ends with it; a longer name does not", async (t) => {
  const url = await FRAMEWORKS["node:http"]!(t, { createToken: async () => "given" });
  const headers = { "x-user": "ann" };
  t.is((await fetch(`${url}/api/v2${PATH}`, { headers })).status, 200);
  for (const path of ["/superuser/sockettoken", `${PATH}s`, `${PATH}/`, "/user"]) {
    t.is((await fetch(url + path, { headers })).status, 404, path);
  }
});

test("node:http: an error is told on the diagnostics channel, and is 503 where it is temporary", async (t) => {
  const away = new GlobalChannelError("GC_STORE_UNAVAILABLE", "Redis cannot be reached at secret.host");
  const errors: unknown[] = [];
  const listener = (message: unknown): void => void errors.push((message as { error: unknown }).error);
  diagnosticsChannel.subscribe("globalchannel:error", listener);
  t.teardown(() => diagnosticsChannel.unsubscribe("globalchannel:error", listener));
  const url = await FRAMEWORKS["node:http"]!(t, { createToken: () => Promise.reject(away) });

  const response = await fetch(url + PATH, { headers: { "x-user": "ann" } });

  t.is(response.status, 503);
  t.deepEqual(await response.json(), { message: "Service Unavailable" });
  t.true(errors.includes(away));
});

test("express: errors go to its error handler, as they are", async (t) => {
  const seen: unknown[] = [];
  const url = await expressApp(t, (app) => {
    app.use(socketTokenHandler({ createToken: async () => "given", user: userOf }));
    const onError: express.ErrorRequestHandler = (error, _req, res, _next) => {
      seen.push(error);
      res.status(418).end();
    };
    app.use(onError);
  });

  for (const user of ["boom", "nothing", "text"]) {
    t.is((await fetch(url + PATH, { headers: { "x-user": user } })).status, 418);
  }

  const [boom, nothing, text] = seen as GlobalChannelError[];
  t.is(boom?.message, "secret detail");
  t.is(nothing?.code, "GC_LISTENER_FAILED");
  t.is(text?.cause, "a route");
});

test("a user that answers after the response was sent by another one changes nothing", async (t) => {
  const handler = socketTokenHandler({
    createToken: async () => "given",
    user: () => new Promise((resolve) => setTimeout(resolve, 50, "ann")),
  });
  const url = await listen(
    t,
    createServer((req, res) => {
      handler(req, res);
      res.statusCode = 202;
      res.end("early");
    }),
  );

  const response = await fetch(url + PATH);

  t.is(response.status, 202);
  t.is(await response.text(), "early");
});

test("options that are not allowed are refused", (t) => {
  const valid = { createToken: async () => "given", user: () => "ann" };
  for (const bad of [
    { createToken: undefined },
    { user: "ann" },
    { path: "user" },
    { path: "/a?b" },
    { path: 7 },
    { ttl: 1 },
  ]) {
    t.throws(
      () => socketTokenHandler({ ...valid, ...bad } as never),
      { code: "GC_INVALID_OPTION" },
      JSON.stringify(bad),
    );
  }
});
