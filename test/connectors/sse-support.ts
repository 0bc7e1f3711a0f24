// For the tests of the SSE connector: real servers, and clients that write down what they get.
import { once } from "node:events";
import {
  createServer,
  get,
  type ClientRequest,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import type { ExecutionContext } from "ava";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { SseConnector, type SseConnectorOptions } from "../../src/connectors/sse/connector.js";
import { RecordingHost, uidOfQuery, until } from "./websocket-support.js";

export const NOBODY: ReadonlySet<string> = new Set();

/** What a stream of events says, as a parser of the standard reads it. */
export class Recording {
  readonly events: EventSourceMessage[] = [];
  readonly retries: number[] = [];
  comments = 0;
  /** All that came. */
  text = "";
  /** As the standard has it: an id counts without data, too. */
  lastEventId: string | undefined;
  #block = "";
  readonly #parser = createParser({
    onEvent: (event) => this.events.push(event),
    onRetry: (ms) => this.retries.push(ms),
    onComment: () => this.comments++,
    onError: (error) => {
      throw error;
    },
  });

  feed(chunk: string): void {
    this.text += chunk;
    this.#parser.feed(chunk);
    this.#block += chunk;
    const end = this.#block.lastIndexOf("\n\n");
    if (end < 0) return;
    for (const [, id] of this.#block.slice(0, end).matchAll(/^id: (.*)$/gm)) this.lastEventId = id;
    this.#block = this.#block.slice(end + 2);
  }

  get received(): { route: string | undefined; msg: unknown }[] {
    return this.events.map(({ event, data }) => ({ route: event, msg: JSON.parse(data) }));
  }

  get msgs(): unknown[] {
    return this.received.map(({ msg }) => msg);
  }
}

/** A client with one connection. */
export class Client extends Recording {
  /** Once it is answered. */
  response: IncomingMessage | undefined;
  readonly closed: Promise<void>;

  constructor(readonly request: ClientRequest) {
    super();
    request.once("response", (response) => {
      this.response = response.setEncoding("utf8").on("data", (chunk: string) => this.feed(chunk));
      // `close` follows, which is what tests look at.
      response.on("error", () => {});
    });
    request.on("error", () => {});
    this.closed = new Promise((resolve) => request.once("close", () => resolve()));
  }

  /** Reads nothing more. */
  pause(): void {
    this.response!.pause();
  }

  /** Goes away, and hears nothing more. */
  cut(): void {
    this.request.destroy();
  }
}

export interface ClientOptions {
  lastEventId?: string | undefined;
  path?: string;
}

type Serve = (request: IncomingMessage, response: ServerResponse, connector: SseConnector) => void;

/** Whoever says who it is in `uid` gets a session as that. */
const handleAll: Serve = (request, response, connector) => {
  connector.handle(request, response, uidOfQuery(request));
};

/** A server that listens until the end of the test. */
export async function listen(t: ExecutionContext, server: Server): Promise<string> {
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A started connector on a server of its own, and its host; stopped at the end of the test. */
export async function startConnector(t: ExecutionContext, options: SseConnectorOptions = {}, serve: Serve = handleAll) {
  const connector = new SseConnector(options);
  const host = new RecordingHost();
  /** The server's side of all connections, in the order in which they came. */
  const responses: ServerResponse[] = [];
  const http = createServer((request, response) => {
    responses.push(response);
    serve(request, response, connector);
  });
  const url = await listen(t, http);
  t.teardown(() => connector.stop());
  connector.start(host);

  function openClient(uid: string, { lastEventId, path = "/" }: ClientOptions = {}): Client {
    const headers = lastEventId === undefined ? {} : { "Last-Event-ID": lastEventId };
    const client = new Client(get(`${url}${path}?uid=${uid}`, { agent: false, headers }));
    // Where nothing comes, it is still after what it got before.
    client.lastEventId = lastEventId;
    t.teardown(() => client.cut());
    return client;
  }

  /** Resolves when the stream has begun. */
  async function connectClient(uid: string, clientOptions: ClientOptions = {}): Promise<Client> {
    const client = openClient(uid, clientOptions);
    await until(() => client.retries.length > 0);
    return client;
  }

  /** The client is back, after all that it has got. */
  async function comeBack(uid: string, { lastEventId }: Client): Promise<Client> {
    return connectClient(uid, { lastEventId });
  }

  return { connector, host, http, url, responses, openClient, connectClient, comeBack };
}

export type Started = Awaited<ReturnType<typeof startConnector>>;

/** Cuts the client off and resolves when the connector knows it. */
export async function lose({ connector }: Started, client: Client): Promise<void> {
  const before = connector.stats.kept;
  client.cut();
  await until(() => connector.stats.kept > before);
}

/**
 * Checks that a client has got the numbers from 0 on, in order, each once, but for those that an event `gap` has told of. Returns
 * the next number that is to come.
 */
export function checkNumbers(t: ExecutionContext, { received }: Pick<Recording, "received">): number {
  let next = 0;
  for (const { route, msg } of received) {
    if (route === "gap") {
      next += (msg as { missed: number }).missed;
    } else if (msg === next) {
      next++;
    } else {
      t.fail(`got ${JSON.stringify(msg)} in the place of ${next}`);
      break;
    }
  }
  return next;
}
