// For the tests of Snapper: servers that record what they are told, clients of raw bytes, and brokers of the old make.
import { once } from "node:events";
import { connect, type Socket as TcpSocket } from "node:net";
import type { ExecutionContext } from "ava";
import { Auth, Server, type Socket } from "toa-net";
import type { ProducerOptions } from "../../../src/adapters/snapper/producer/options.js";
import { Producer } from "../../../src/adapters/snapper/producer/producer.js";
import type { RpcMethod, RpcServerOptions } from "../../../src/adapters/snapper/rpc/options.js";
import { RpcServer } from "../../../src/adapters/snapper/rpc/rpc-server.js";
import { TokenVerifier, type TokenPayload } from "../../../src/adapters/snapper/tokens/token-verifier.js";
import { encodeFrame } from "../../../src/adapters/snapper/wire/encode-frame.js";
import { FrameDecoder } from "../../../src/adapters/snapper/wire/frame-decoder.js";
import { messageKeysOf } from "../../../src/adapters/snapper/wire/rpc-ids.js";
import { until } from "../../connectors/websocket-support.js";

export const HOST = "127.0.0.1";
export const SECRET = "a secret of the tests";

/** A token of the right secret. */
export const TOKEN = new Auth({ secrets: [SECRET] }).sign({ id: "tests" });

type Session = TokenPayload;

/** What a broker does with messages: each once, by its key, and in its order. */
export class Log {
  readonly messages: string[] = [];
  readonly rooms: string[] = [];
  /** The ids of `publish` requests, each time they came. */
  readonly ids: unknown[] = [];
  readonly #seen = new Set<string>();

  publish(params: readonly unknown[], id: unknown): number {
    this.ids.push(id);
    const keyOf = messageKeysOf(id);
    for (const [index, item] of (params as [string, string][]).entries()) {
      const key = keyOf?.(index);
      if (key !== undefined && this.#seen.has(key)) continue;
      if (key !== undefined) this.#seen.add(key);
      this.rooms.push(item[0]);
      this.messages.push(item[1]);
    }
    return params.length;
  }
}

export interface Serve {
  server: RpcServer<Session>;
  log: Log;
  /** What was called beside `publish`. */
  calls: [method: string, ...params: unknown[]][];
  errors: Error[];
}

export interface ServeOptions extends Partial<Omit<RpcServerOptions<Session>, "methods">> {
  log?: Log;
  methods?: Record<string, RpcMethod<Session>>;
}

/** A server with the methods of a broker. */
export async function startServer(t: ExecutionContext, options: ServeOptions = {}): Promise<Serve> {
  const { log = new Log(), methods, ...rest } = options;
  const verifier = new TokenVerifier(SECRET);
  const calls: Serve["calls"] = [];
  const errors: Error[] = [];
  const record =
    (method: string, result: unknown): RpcMethod<Session> =>
    (params) => {
      calls.push([method, ...params]);
      return result;
    };
  const server = new RpcServer<Session>({
    authenticate: (token) => verifier.verify(token),
    methods: {
      publish: (params, { id }) => log.publish(params, id),
      subscribe: record("subscribe", 1),
      unsubscribe: record("unsubscribe", 0),
      echo: (params) => params,
      ...methods,
    },
    onError: (error) => errors.push(error),
    ...rest,
  });
  t.teardown(() => server.close());
  await server.listen();
  return { server, log, calls, errors };
}

/** A client that says whatever a test says. */
export class RawClient {
  readonly socket: TcpSocket;
  readonly answers: Record<string, unknown>[] = [];
  isClosed = false;

  static async open(t: ExecutionContext, port: number): Promise<RawClient> {
    const client = new RawClient(connect(port, HOST));
    t.teardown(() => client.socket.destroy());
    await once(client.socket, "connect");
    return client;
  }

  /** One that the server has let in. */
  static async authenticated(t: ExecutionContext, port: number): Promise<RawClient> {
    const client = await RawClient.open(t, port);
    await client.authenticate();
    return client;
  }

  private constructor(socket: TcpSocket) {
    this.socket = socket;
    const decoder = new FrameDecoder(Number.MAX_SAFE_INTEGER);
    socket.on("data", (chunk) => {
      decoder.append(chunk);
      for (let frame = decoder.next(); frame; frame = decoder.next()) {
        this.answers.push(JSON.parse(frame.toString()) as Record<string, unknown>);
      }
    });
    socket.on("error", () => {});
    socket.on("close", () => (this.isClosed = true));
  }

  write(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  send(message: unknown): void {
    this.write(encodeFrame(JSON.stringify(message)));
  }

  request(id: unknown, method: string, params?: unknown): void {
    this.send({ jsonrpc: "2.0", id, method, params });
  }

  async authenticate(token: string = TOKEN): Promise<void> {
    this.request("auth", "auth", [token]);
    await until(() => this.answers.length > 0 || this.isClosed);
  }

  async closed(): Promise<void> {
    await until(() => this.isClosed);
  }
}

/** A producer with these secrets, which waits for nothing for long. */
export function startProducer(t: ExecutionContext, port: number, options: Partial<ProducerOptions> = {}) {
  const producer = new Producer(port, HOST, {
    producerId: "tests",
    secretKeys: [SECRET],
    maxReconnectDelayMs: 100,
    closeTimeoutMs: 0,
    ...options,
  });
  const errors: Error[] = [];
  const events: string[] = [];
  producer.on("error", (error) => errors.push(error));
  for (const event of ["connect", "reconnecting", "drain", "close"] as const) {
    producer.on(event, () => events.push(event));
  }
  t.teardown(() => producer.close());
  return Object.assign(producer, { errors, events });
}

/** A broker of the old make: the server of its library, with its answers. */
export async function startOldBroker(t: ExecutionContext, secrets: unknown[] = [SECRET], algorithm = "HS256") {
  const auth = new Auth({ secrets, algorithm });
  const messages: string[] = [];
  const calls: [string, unknown[]][] = [];
  const sockets: Socket[] = [];
  const server = new Server((socket) => {
    sockets.push(socket);
    socket.on("error", () => {});
    socket.on("message", ({ payload: { id, method, params } }) => {
      calls.push([method, params]);
      if (method === "publish") {
        // As that one: messages that are no texts are not counted.
        const list = (Array.isArray(params[0]) ? params : [params]) as [string, string][];
        for (const [, message] of list) messages.push(message);
        if (id !== undefined) socket.success(id, list.length || null);
      } else if (method === "echo") {
        socket.success(id, params);
      } else if (method === "subscribe" || method === "unsubscribe") {
        socket.success(id, 1);
      } else {
        socket.error(id, socket.createError(-32_601, params));
      }
    });
  });
  server.getAuthenticator = () => (token) => auth.verify(token);
  server.listen(0, HOST);
  await once(server, "listening");
  t.teardown(() => new Promise<void>((resolve) => server.close(() => resolve())));
  return { port: server.address().port, messages, calls, sockets };
}

/** `0`, `1`, ... as messages. */
export function numbered(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, index) => String(from + index));
}
