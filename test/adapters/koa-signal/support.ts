// For the tests of signalling on Koa: applications on real servers, and peers over real HTTP that record what they get.
import { once } from "node:events";
import { createServer, request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { promisify } from "node:util";
import type { ExecutionContext } from "ava";
import { createParser } from "eventsource-parser";
import Koa from "koa";
import Koa2 from "koa-2";
import { initiatorsFrom, peersFrom, peersOf } from "../../../src/adapters/koa-signal/channels.js";
import signal, {
  type KoaContext,
  type SignalMiddleware,
  type SignalOptions,
} from "../../../src/adapters/koa-signal/index.js";
import { eventually } from "../../cluster/cluster.js";
import { until } from "../../connectors/websocket-support.js";

export const KOA_VERSIONS = { "Koa 3": Koa, "Koa 2": Koa2 };

/** Where all requests of these tests come from. */
export const ADDRESS = "127.0.0.1";

/** How long a test waits for what must come. */
const PATIENCE_MS = 20_000;

export interface AppOptions {
  /** @default Koa 3 */
  koa?: typeof Koa;
  /** Middlewares that are called before, and see what it answers. */
  before?: readonly Koa.Middleware[];
  /** Middlewares that are called after, of which it sees what they answer. */
  after?: readonly Koa.Middleware[];
  /** Whether the application believes `X-Forwarded-For`. */
  proxy?: boolean;
  /** How many addresses of that it believes, from the last one on. @default all */
  maxIpsCount?: number;
}

export interface App {
  url: string;
  port: number;
  serve: SignalMiddleware;
  /** What the application was told as its `error` event. */
  errors: Error[];
  /** Resolves how many connections its server has. */
  connections(): Promise<number>;
}

/** An application with the middleware, which ends with the test. */
export async function startApp<C extends KoaContext = KoaContext>(
  t: ExecutionContext,
  options: SignalOptions<C> = {},
  appOptions: AppOptions = {},
): Promise<App> {
  const serve = signal(options);
  t.teardown(() => serve.stop());
  return serveApp(t, serve, appOptions);
}

/** An application with a middleware that is there already. */
export async function serveApp(
  t: ExecutionContext,
  serve: SignalMiddleware,
  { koa: KoaVersion = Koa, before = [], after = [], proxy = false, maxIpsCount = 0 }: AppOptions = {},
): Promise<App> {
  const app = new KoaVersion();
  app.proxy = proxy;
  app.maxIpsCount = maxIpsCount;
  const errors: Error[] = [];
  app.on("error", (error: Error) => errors.push(error));
  for (const middleware of [...before, serve, ...after]) app.use(middleware);
  const callback = app.callback();
  const http = createServer((req, res) => void callback(req, res));
  http.listen(0, ADDRESS);
  t.teardown(() => {
    http.closeAllConnections();
    http.close();
  });
  await once(http, "listening");
  const { port } = http.address() as AddressInfo;
  const connections = promisify(http.getConnections.bind(http));
  return { url: `http://${ADDRESS}:${port}`, port, serve, errors, connections };
}

export interface Answer {
  status: number;
  headers: IncomingMessage["headers"];
  text: string;
}

export interface RequestOptions {
  method?: string;
  headers?: OutgoingHttpHeaders;
  body?: string | Buffer;
  /** Without `Content-Length`. */
  chunked?: boolean;
}

/** Sends a request, on a connection of its own, and resolves the answer. One that is a stream is not read: its client goes away. */
export async function send(url: string, options: RequestOptions = {}): Promise<Answer> {
  const { method = "GET", headers = {}, body, chunked = false } = options;
  const length = body !== undefined && !chunked ? { "Content-Length": Buffer.byteLength(body) } : {};
  const request = httpRequest(url, { method, headers: { ...length, ...headers }, agent: false });
  // Whoever is refused before everything is sent may find the connection closed while it goes on.
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    request.on("response", resolve).on("error", reject);
  });
  if (body !== undefined) request.write(body);
  request.end();
  const answer = await response;
  const isStream = String(answer.headers["content-type"]).startsWith("text/event-stream");
  if (isStream) request.destroy();
  const text = isStream ? "" : await textOf(answer);
  return { status: answer.statusCode!, headers: answer.headers, text };
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response.setEncoding("utf8")) text += chunk as string;
  return text;
}

export function postJson(url: string, body: unknown): Promise<Answer> {
  return postText(url, JSON.stringify(body));
}

export function postText(url: string, body: string | Buffer, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
  return send(url, { method: "POST", headers: { "Content-Type": "application/json", ...headers }, body });
}

export function postForm(url: string, fields: Record<string, string>): Promise<Answer> {
  const headers = { "Content-Type": "application/x-www-form-urlencoded" };
  return postText(url, new URLSearchParams(fields).toString(), headers);
}

/** An event as it came. */
export interface StreamEvent {
  event: string | undefined;
  data: unknown;
  id: string | undefined;
}

/** What a peer is told first. */
export interface Connected {
  id: string;
  cid: string;
  token: string;
}

export interface OpenOptions {
  /** The swarm to join. @default a new one is opened */
  id?: string;
  headers?: OutgoingHttpHeaders;
}

/** A client with a stream, who records what comes. */
export class Peer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly events: StreamEvent[] = [];
  /** Resolves when the stream has ended, however. */
  readonly ended: Promise<void>;
  hasEnded = false;
  readonly #url: string;
  readonly #response: IncomingMessage;

  /** Resolves when the stream is open, or refused. */
  static async open(t: ExecutionContext, url: string, { id = "", headers = {} }: OpenOptions = {}): Promise<Peer> {
    const request = httpRequest(`${url}/${id}`, {
      headers: { Accept: "text/event-stream", ...headers },
      agent: false,
    });
    t.teardown(() => request.destroy());
    request.end();
    const [response] = (await once(request, "response")) as [IncomingMessage];
    return new Peer(url, response);
  }

  private constructor(url: string, response: IncomingMessage) {
    this.#url = url;
    this.#response = response;
    this.status = response.statusCode!;
    this.headers = response.headers;
    const parser = createParser({
      onEvent: ({ event, data, id }) => this.events.push({ event, data: JSON.parse(data), id }),
    });
    response.setEncoding("utf8").on("data", (text: string) => parser.feed(text));
    // `close` follows.
    response.on("error", () => {});
    this.ended = new Promise((resolve) => {
      response.once("close", () => {
        this.hasEnded = true;
        resolve();
      });
    });
  }

  /** What it was told first. */
  get connected(): Connected {
    return this.events[0]!.data as Connected;
  }

  get id(): string {
    return this.connected.id;
  }

  get cid(): string {
    return this.connected.cid;
  }

  get token(): string {
    return this.connected.token;
  }

  /** Where it posts to. */
  get swarmUrl(): string {
    return `${this.#url}/${this.id}`;
  }

  /** The data of all events with this name. */
  messages(event: string): unknown[] {
    return this.events.filter((one) => one.event === event).map(({ data }) => data);
  }

  get signals(): unknown[] {
    return this.messages("signal");
  }

  /** The names of all events. */
  get names(): (string | undefined)[] {
    return this.events.map(({ event }) => event);
  }

  /** Sends a signal, to all or to one. Resolves the answer's status. */
  async post(data: unknown, cid?: string): Promise<number> {
    const { status } = await postJson(this.swarmUrl, { token: this.token, data, ...(cid !== undefined && { cid }) });
    return status;
  }

  /** Goes away. */
  close(): void {
    this.#response.destroy();
  }

  pause(): void {
    this.#response.pause();
  }

  resume(): void {
    this.#response.resume();
  }
}

/** A peer who has been let in, as the initiator of a new swarm or to the one with this id. */
export async function openPeer(t: ExecutionContext, url: string, options: OpenOptions = {}): Promise<Peer> {
  const peer = await Peer.open(t, url, options);
  if (peer.status >= 300) throw new Error(`refused with ${peer.status}`);
  await until(() => peer.events.length > 0);
  return peer;
}

/** A swarm of an initiator and others, of all of whom it has been told. */
export async function openSwarm(t: ExecutionContext, url: string, others = 1): Promise<[Peer, ...Peer[]]> {
  const initiator = await openPeer(t, url);
  const peers: Peer[] = [];
  for (let i = 0; i < others; i++) peers.push(await openPeer(t, url, { id: initiator.id }));
  await until(() => initiator.messages("join").length === others);
  return [initiator, ...peers];
}

/** A last signal from the first peer to all: when they have it, they have what came before. */
export async function untilAllHaveHeard(peers: readonly [Peer, ...Peer[]]): Promise<void> {
  const last = `last of ${peers[0].signals.length}`;
  const status = await peers[0].post(last);
  if (status !== 200) throw new Error(`the last signal is refused with ${status}`);
  await until(() => peers.every(({ signals }) => signals.at(-1) === last));
}

/** Resolves when nothing is left of peers, and of their swarms with these ids. */
export async function untilNothingIsLeft(
  { serve: { service, connector } }: App,
  ids: Iterable<string> = [],
): Promise<void> {
  const channels = [peersFrom(ADDRESS), initiatorsFrom(ADDRESS), ...Array.from(ids, peersOf)];
  await untilEmpty(service, channels);
  await until(() => connector.stats.sessions === 0 && connector.stats.users === 0);
}

/** Resolves when these channels have no members. */
export async function untilEmpty(
  service: Pick<SignalMiddleware["service"], "count">,
  channels: readonly string[],
): Promise<void> {
  await eventually(async () => {
    const counts = await Promise.all(channels.map((channel) => service.count(channel)));
    return counts.every((count) => count === 0);
  }, PATIENCE_MS);
}
