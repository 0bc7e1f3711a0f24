import { checkName } from "../../arguments.js";
import type { SseConnector } from "../../connectors/sse/connector.js";
import { type ErrorCode, isGlobalChannelError } from "../../errors.js";
import type { Frontend } from "../../frontend/frontend.js";
import type { GlobalChannelService } from "../../service/service.js";
import { oneAddress } from "./address.js";
import { Admission } from "./admission.js";
import type { KoaContext } from "./context.js";
import { isId } from "./credentials.js";
import { resolveSignalOptions, type SignalOptions } from "./options.js";
import { Parts } from "./parts.js";
import { noSwarm } from "./refusals.js";
import { Signals } from "./signals.js";
import { Swarms } from "./swarms.js";

/** A middleware of Koa 2 and 3. */
export interface SignalMiddleware {
  (ctx: KoaContext, next: () => Promise<unknown>): Promise<void>;
  /**
   * Connects to the cluster now, not with the first request. May be called again after a failure.
   * @throws what `GlobalChannelService.start` and `Frontend.start` throw
   */
  start(): Promise<void>;
  /** Closes all peers of this process, which leave their swarms, and ends what was made here. Requests get 503 then. */
  stop(): Promise<void>;
  /** What it is made of: those that were given, or its own. */
  readonly service: GlobalChannelService;
  readonly frontend: Frontend;
  readonly connector: SseConnector;
}

/** One segment: the name of a swarm, if it is one. */
const PATH_PATTERN = /^\/(?<name>[^/]*)$/;

/** What is answered to a peer whose request failed with that, if not 500. */
const STATUSES: Partial<Record<ErrorCode, number>> = {
  GC_MESSAGE_TOO_LARGE: 413,
  GC_MESSAGE_NOT_SERIALIZABLE: 400,
  GC_NOT_STARTED: 503,
  GC_CLOSED: 503,
  GC_PUSH_FAILED: 503,
};

/**
 * Makes a middleware by which peers find each other: HTTP requests in, Server-Sent Events out.
 *
 * - `GET /` opens a swarm: 201, and a stream that begins with the event `connect`, `{id, cid, token}`
 * - `GET /:id` joins it: 200, and the same. The initiator, who has opened it, gets `join` and `leave` events, `{id, cid}`. When its
 *   stream ends, the swarm does, and the streams of all peers
 * - `POST /:id` with `{token, data, cid}`, JSON or a form, sends `data` as a `signal` event to all peers, the sender among them, or to
 *   the one with that `cid`: 200
 *
 * Else it answers 406 (`Accept` does not allow `text/event-stream`), 404 (no such swarm, peer or path), 401 (no peer's token), 400 (no
 * data), 413 (too large), 415 (neither JSON nor a form, or an unknown `Content-Encoding`), 429 (an address has too many peers or swarms),
 * 503 (the cluster is out of reach). Middlewares after it run first, and it answers what none of them has.
 *
 * Cost: to open a swarm 2 round trips to the cluster, to join one 3, a signal to all 3, to one 4; besides, each process hears of every join
 * and leave in the cluster.
 *
 * Delivery class of signals: at most once, in the order of the requests of one peer that each wait for the answer to the one before.
 * With `sse: { history }` a peer whose connection is lost, and who comes back to the same process (`Last-Event-ID`), gets what it has
 * missed; first the event `gap`, `{missed}`, where that was more than is kept. An initiator is to forget then who was there: it gets a `join`
 * for each peer that is, maybe twice.
 *
 * @throws `GC_INVALID_OPTION`; `GC_UNSUPPORTED` the manager lacks one of the capabilities `versions`, `presence`, `events`
 */
export function signal<C extends KoaContext = KoaContext>(options: SignalOptions<C> = {}): SignalMiddleware {
  const resolved = resolveSignalOptions(options);
  const parts = new Parts(resolved);
  const { service, frontend, connector } = parts;
  const swarms = new Swarms(service);
  const addressOf = resolved.address ?? (({ ip }: KoaContext) => oneAddress(ip));
  const admission = new Admission({
    ...resolved,
    service,
    frontend,
    connector,
    swarms,
    address: (ctx) => checkName("address", addressOf(ctx)),
  });
  const signals = new Signals({ service, stype: frontend.stype, maxBytes: resolved.limit });
  swarms.start();

  async function handle(ctx: KoaContext): Promise<void> {
    const name = PATH_PATTERN.exec(ctx.path)?.groups?.["name"];
    if (name === undefined) return;
    if (ctx.method === "GET") {
      if (!ctx.accepts("text/event-stream")) ctx.throw(406, "the answer is text/event-stream");
      if (name !== "" && !isId(name)) noSwarm(ctx);
      await parts.start();
      return name === "" ? admission.create(ctx) : admission.join(ctx, name);
    }
    if (ctx.method === "POST") {
      if (!isId(name)) noSwarm(ctx);
      await parts.start();
      return signals.post(ctx, name);
    }
  }

  async function serve(ctx: KoaContext, next: () => Promise<unknown>): Promise<void> {
    await next();
    if (isAnswered(ctx)) return;
    try {
      await handle(ctx);
    } catch (error) {
      throwTo(ctx, error);
    }
  }

  return Object.assign(serve, {
    start: () => parts.start(),
    stop: async () => {
      swarms.stop();
      if (!parts.ownsFrontend) await swarms.endAll();
      await parts.stop();
    },
    service,
    frontend,
    connector,
  });
}

function isAnswered({ status, body, respond, res }: KoaContext): boolean {
  return status !== 404 || (body !== undefined && body !== null) || respond === false || res.headersSent;
}

/** Throws the error as Koa takes it. */
function throwTo(ctx: KoaContext, error: unknown): never {
  if (!isGlobalChannelError(error)) throw error;
  const status = error.temporary ? 503 : STATUSES[error.code];
  if (status === undefined) throw error;
  return ctx.throw(status, error.message, { cause: error });
}
