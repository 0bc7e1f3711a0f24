import { isGlobalChannelError, timedOut, unreachable } from "../../../src/errors.js";
import { InProcessTransport } from "../../../src/transports/in-process.js";
import type { FrontendRequest, RequestHandler, RpcTransport } from "../../../src/types.js";
import { type Broken, alter, same, turn } from "./broken.js";

function broken(
  does: string,
  topics: readonly string[],
  change: (sound: InProcessTransport) => Partial<RpcTransport>,
): Broken<RpcTransport> {
  return {
    does,
    topics,
    make: () => same(alter(new InProcessTransport(), change)),
  };
}

/** Serves what `change` makes of the handler. */
function handling(
  does: string,
  topics: readonly string[],
  change: (handler: RequestHandler) => RequestHandler,
): Broken<RpcTransport> {
  return broken(does, topics, (sound) => ({ serve: (sid, handler) => sound.serve(sid, change(handler)) }));
}

/** Does something wrong when the connections break. */
function interrupted(
  does: string,
  change: (sound: InProcessTransport) => Partial<RpcTransport> & { interrupt(): unknown },
): Broken<RpcTransport> {
  return {
    does,
    topics: ["interruption"],
    make() {
      const sound = new InProcessTransport();
      const { interrupt, ...changed } = change(sound);
      const transport = alter<RpcTransport>(sound, () => changed);
      return {
        open: () => transport,
        async interrupt() {
          await interrupt();
        },
      };
    },
  };
}

/** Requests what `change` makes of the request. */
function sending(
  does: string,
  topics: readonly string[],
  change: (request: FrontendRequest) => unknown,
): Broken<RpcTransport> {
  return broken(does, topics, (sound) => ({
    request: (sid, request, options) => sound.request(sid, change(request) as typeof request, options),
  }));
}

const withBody = (change: (body: string) => string) => (request: FrontendRequest) =>
  request.type === "push" ? { ...request, body: change(request.body) } : request;

export const brokenTransports: readonly Broken<RpcTransport>[] = [
  handling("every answer is the same", ["request"], (handler) => async (request) => {
    await handler(request);
    return { delivered: 0, failed: [], names: [] };
  }),
  sending("the uids to leave out are lost", ["request"], (request) => ({ ...request, except: undefined })),
  sending(
    "the body is read and written again",
    ["request"],
    withBody((body) => {
      try {
        return JSON.stringify(JSON.parse(body));
      } catch {
        return body;
      }
    }),
  ),
  sending(
    "the body is cut at 64 KiB",
    ["request"],
    withBody((body) => body.slice(0, 65_536)),
  ),
  sending("lists end at 1,000", ["request"], (request) =>
    request.type === "push" && "uids" in request.target
      ? { ...request, target: { uids: request.target.uids.slice(0, 1_000) } }
      : request,
  ),
  sending("names are trimmed", ["request"], (request) => {
    if (request.type === "channels") return { ...request, uid: request.uid.trim() };
    if (request.type === "disconnect") return { ...request, uids: request.uids.map((uid) => uid.trim()) };
    return { ...request, route: request.route.trim(), except: request.except?.map((uid) => uid.trim()) };
  }),
  handling("every request is handled twice", ["request"], (handler) => async (request) => {
    await handler(request);
    return handler(request);
  }),
  broken("requests overtake each other", ["request"], (sound) => {
    let count = 0;
    return {
      async request(sid, request, options) {
        for (let turns = ++count % 3; turns > 0; turns--) await turn();
        return sound.request(sid, request, options);
      },
    };
  }),
  broken("answers go to the wrong request", ["request"], (sound) => {
    let last: unknown;
    return {
      async request(sid, request, options) {
        const reply = await sound.request(sid, request, options);
        const earlier = last ?? reply;
        last = reply;
        return earlier as typeof reply;
      },
    };
  }),
  broken("there is one frontend", ["request", "serve"], (sound) => ({
    serve: (_sid, handler) => sound.serve("all", handler),
    request: (_sid, request, options) => sound.request("all", request, options),
  })),
  broken("a frontend that does not answer holds up all", ["request"], (sound) => {
    let last: Promise<unknown> = Promise.resolve();
    return {
      request(sid, request, options) {
        const reply = last.then(() => sound.request(sid, request, { timeoutMs: Math.min(1_000, options.timeoutMs) }));
        last = reply.catch(() => {});
        return reply;
      },
    };
  }),
  handling("what the handler throws is an empty answer", ["request"], (handler) => async (request) => {
    try {
      return await handler(request);
    } catch {
      return { delivered: 0, failed: [] };
    }
  }),
  broken("what is sent overtakes what is requested", ["send"], (sound) => ({
    async request(sid, request, options) {
      await turn();
      return sound.request(sid, request, options);
    },
  })),
  broken("what is sent is waited for", ["send"], (sound) => ({
    async send(sid, request) {
      await sound.request(sid, request, { timeoutMs: 300 });
    },
  })),
  broken("what is sent to nobody fails in its own way", ["send"], (sound) => ({
    send: (sid, request) => sound.send(sid, request).catch(() => Promise.reject(new Error("nobody is there"))),
  })),
  broken("a handler that fails is served no longer", ["request", "send"], (sound) => ({
    serve(sid, handler) {
      const unserve = sound.serve(sid, async (request) => {
        try {
          return await handler(request);
        } catch (error) {
          await unserve();
          throw error;
        }
      });
      return unserve;
    },
  })),
  broken("an error of the handler comes as it was thrown", ["request"], (sound) => ({
    async request(sid, request, options) {
      try {
        return await sound.request(sid, request, options);
      } catch (error) {
        throw isGlobalChannelError(error) && error.code === "GC_FRONTEND_ERROR" ? error.cause : error;
      }
    },
  })),
  broken("the deadline is too late", ["request"], (sound) => ({
    request: (sid, request) => sound.request(sid, request, { timeoutMs: 4_000 }),
  })),
  broken("short deadlines end at once", ["request"], (sound) => ({
    async request(sid, request, options) {
      if (options.timeoutMs < 1_000) throw timedOut(sid, options.timeoutMs);
      return sound.request(sid, request, options);
    },
  })),
  broken("a request without an answer is sent again", ["request"], (sound) => ({
    async request(sid, request, options) {
      try {
        return await sound.request(sid, request, options);
      } catch (error) {
        if (isGlobalChannelError(error) && error.code === "GC_TIMEOUT")
          void sound.request(sid, request, options).catch(() => {});
        throw error;
      }
    },
  })),
  broken("an unserved sid is not found out before the deadline", ["request", "serve"], (sound) => ({
    async request(sid, request, options) {
      try {
        return await sound.request(sid, request, options);
      } catch (error) {
        if (isGlobalChannelError(error) && error.code === "GC_FRONTEND_UNREACHABLE")
          throw new Error("no answer", { cause: error });
        throw error;
      }
    },
  })),
  broken("serving begins a moment after serve", ["serve"], (sound) => ({
    serve(sid, handler) {
      const served = turn().then(() => sound.serve(sid, handler));
      return async () => (await served)();
    },
  })),
  broken("serving has no end", ["serve"], (sound) => ({
    serve(sid, handler) {
      void sound.serve(sid, handler);
      return () => {};
    },
  })),
  broken("the end of one serving ends all", ["serve"], (sound) => {
    const served: (() => unknown)[] = [];
    return {
      serve(sid, handler) {
        served.push(sound.serve(sid, handler));
        return () => served.forEach((unserve) => unserve());
      },
    };
  }),
  broken("the fence is up before all has come", ["fence"], (sound) => ({
    send: (sid, request) => Promise.resolve(void turn().then(() => sound.send(sid, request))),
    fence: () => {},
  })),
  broken("the fence keeps out what comes later, too", ["fence"], (sound) => {
    const fenced = new Set<string>();
    return {
      send: async (sid, request) => (fenced.has(sid) ? undefined : sound.send(sid, request)),
      fence: (sid) => void fenced.add(sid),
    };
  }),
  broken("stop stops nothing", ["stop"], () => ({ stop: () => {} })),
  broken("stop forgets the requests under way", ["stop"], (sound) => {
    let stopped = false;
    return {
      stop() {
        stopped = true;
      },
      async request(sid, request, options) {
        if (stopped) throw unreachable(sid);
        const forever = new Promise<never>(() => {});
        const reply = sound.request(sid, request, options);
        return reply.then(
          (value) => (stopped ? forever : value),
          (error: unknown) => (stopped ? forever : Promise.reject(error as Error)),
        );
      },
    };
  }),
  {
    does: "stop of one instance ends what the others serve",
    topics: ["stop"],
    make() {
      const sound = new InProcessTransport();
      let stopped = false;
      return {
        open: () =>
          alter<RpcTransport>(sound, () => ({
            stop: () => (stopped = true),
            async request<R extends FrontendRequest>(sid: string, request: R, options: { timeoutMs: number }) {
              if (stopped) throw unreachable(sid);
              return sound.request(sid, request, options);
            },
          })),
      };
    },
  },
  interrupted("serving ends with the connection", (sound) => {
    const served: (() => unknown)[] = [];
    return {
      serve(sid, handler) {
        const unserve = sound.serve(sid, handler);
        served.push(unserve);
        return unserve;
      },
      interrupt: () => served.forEach((unserve) => unserve()),
    };
  }),
  interrupted("what was under way when the connection broke is asked again", (sound) => {
    const last: (() => Promise<unknown>)[] = [];
    return {
      request(sid, request, options) {
        last[0] = () => sound.request(sid, request, options);
        return sound.request(sid, request, options);
      },
      interrupt: () => last[0]?.(),
    };
  }),
];
