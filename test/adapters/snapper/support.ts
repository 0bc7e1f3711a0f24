// For the tests of Snapper: servers that record what they are told, and clients of raw bytes.
import { once } from "node:events";
import { connect, type Socket as TcpSocket } from "node:net";
import type { ExecutionContext } from "ava";
import { Auth } from "toa-net";
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
  port?: number;
  log?: Log;
  methods?: Record<string, RpcMethod<Session>>;
}

/** A server with the methods of a broker. */
export async function startServer(t: ExecutionContext, options: ServeOptions = {}): Promise<Serve> {
  const { port = 0, log = new Log(), methods, ...rest } = options;
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
  await server.listen(port);
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

/** `0`, `1`, ... as messages. */
export function numbered(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, index) => String(from + index));
}
