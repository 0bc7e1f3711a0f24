// For the tests of the broker: brokers, npm's consumer, unchanged, that records what it gets, and clients that say what a test says.
import { once } from "node:events";
import { createRequire } from "node:module";
import { promisify } from "node:util";
import type { ExecutionContext } from "ava";
import { Socket } from "engine.io-client";
import SnapperProducer from "snapper-producer";
import { Broker } from "../../../src/adapters/snapper/broker/broker.js";
import type { BrokerOptions } from "../../../src/adapters/snapper/broker/options.js";
import { TokenSigner } from "../../../src/adapters/snapper/tokens/token-signer.js";
import { signingKey } from "../../../src/adapters/snapper/tokens/keys.js";
import { redis } from "../../../src/redis/index.js";
import { until } from "../../connectors/websocket-support.js";
import { HOST, SECRET } from "./support.js";

const SnapperConsumer = createRequire(import.meta.url)("snapper-consumer") as typeof import("snapper-consumer");

export const PATH = "/websocket";

/** How soon consumers of the tests come back, in milliseconds. */
const RECONNECT_MS = 100;

/** Any port, and nobody waits for long. */
export const BROKER_OPTIONS = { port: 0, rpcPort: 0, host: HOST, secretKeys: SECRET } as const;

/** A broker that ends with the test, and the errors that it reports. */
export async function startBroker(t: ExecutionContext, options: Partial<BrokerOptions> = {}) {
  const errors: Error[] = [];
  const broker = new Broker({ ...BROKER_OPTIONS, onError: (error) => errors.push(error), ...options });
  t.teardown(() => broker.stop());
  await broker.start();
  return Object.assign(broker, { errors });
}

let prefixes = 0;

/** How brokers get a cluster, which those of one test share. @param url where Redis is */
export const CLUSTERS = {
  memory: () => () => ({}),
  Redis: (url: string) => {
    const prefix = `brokers-${process.pid}-${prefixes++}`;
    return () => ({ cluster: redis(url, { prefix }) });
  },
};

const signer = new TokenSigner({
  key: signingKey("key", SECRET, "HS256"),
  algorithm: "HS256",
  expiresInSeconds: 3600,
});

let tokens = 0;

/** A token of a user that no other one is like. */
export function tokenOf(userId: unknown, claims: object = {}): string {
  return signer.sign({ userId, nr: tokens++, ...claims });
}

export interface ConsumerOptions {
  userId?: string;
  claims?: object;
  /** @default one of `userId` */
  token?: string;
  transports?: ("polling" | "websocket")[];
  reconnectMs?: number;
  /** Further parameters of the query. */
  query?: Record<string, string>;
}

/** npm's consumer. */
export class TestConsumer extends SnapperConsumer {
  /** What it has got, each a JSON value. */
  readonly messages: unknown[] = [];
  /** How many came together, each time. */
  readonly batches: number[] = [];
  readonly errors: unknown[] = [];
  /** What it was told beside messages. */
  readonly notifications: unknown[] = [];
  readonly token: string;
  declare consumerId: string | null;
  declare reconnectionTime: number;
  declare connected: boolean;
  declare connection: { transport: { ws: { terminate(): void } } } | null;
  opens = 0;
  readonly #reconnectMs: number;
  /** Its id each time that it has connected. */
  readonly ids: string[] = [];

  constructor(port: number, { userId = "ann", claims = {}, token, ...options }: ConsumerOptions = {}) {
    const { transports = ["websocket"], reconnectMs = RECONNECT_MS } = options;
    const own = token ?? tokenOf(userId, claims);
    super(`ws://${HOST}:${port}`, { path: PATH, token: own, transports } as never);
    this.token = own;
    this.#reconnectMs = this.reconnectionTime = reconnectMs;
  }

  /** Stays away once it is disconnected. */
  stayAway(): void {
    this.connect = () => this;
  }

  /** Breaks its connection, as a network does it. */
  breakConnection(): void {
    this.connection?.transport.ws.terminate();
  }

  override onopen = (): void => {
    // It is 10 s and more again by itself.
    this.reconnectionTime = this.#reconnectMs;
    this.opens++;
    this.ids.push(this.consumerId!);
  };

  override onerror(error: Error): void {
    this.errors.push(error);
  }

  override onmessage({
    data: { method, params },
  }: Parameters<InstanceType<typeof SnapperConsumer>["onmessage"]>[0]): void {
    if (method === "publish") {
      this.batches.push(params.length);
      for (const message of params as string[]) this.messages.push(JSON.parse(message));
    } else {
      this.notifications.push({ method, params });
    }
  }

  /** Connects to the port that it was made with, or another one. */
  start(port?: number): this {
    this.connect((port === undefined ? undefined : `ws://${HOST}:${port}`) as never);
    return this;
  }

  /** The id with which it has connected last. */
  get id(): string {
    return this.ids.at(-1)!;
  }
}

/** One that is connected, and in the room of its user. */
export async function connectConsumer(t: ExecutionContext, port: number, options: ConsumerOptions = {}) {
  const consumer = new TestConsumer(port, options);
  t.teardown(() => {
    // One that waits to connect again would do that for ever.
    consumer.stayAway();
    consumer.close();
  });
  consumer.start();
  await until(() => consumer.opens > 0);
  return consumer;
}

/** npm's producer, with promises. */
export function connectOldProducer(t: ExecutionContext, port: number, secretKeys: string | string[] = SECRET) {
  const producer = new SnapperProducer(port, HOST, { producerId: "old", secretKeys });
  const errors: Error[] = [];
  producer.on("error", (error) => errors.push(error));
  t.teardown(() => producer.close());
  return Object.assign(producer, {
    errors,
    join: (room: string, id: string) => promisify(producer.joinRoom(room, id))(),
    leave: (room: string, id: string) => promisify(producer.leaveRoom(room, id))(),
    ask: (method: string, params: unknown[]) => promisify(producer.request(method, params))(),
  });
}

/** A request of a broker to a consumer. */
export interface PublishRequest {
  id: string;
  params: string[];
}

/** A client of Engine.IO that acknowledges nothing by itself. */
export class RawConsumer {
  readonly socket: Socket;
  readonly received: Record<string, unknown>[] = [];
  isClosed = false;

  constructor(port: number, token: string, transports: ("polling" | "websocket")[] = ["websocket"]) {
    this.socket = new Socket(`ws://${HOST}:${port}`, { path: PATH, query: { token }, transports });
    this.socket.on("message", (data) => this.received.push(JSON.parse(String(data)) as Record<string, unknown>));
    this.socket.on("close", () => (this.isClosed = true));
    this.socket.on("error", () => {});
  }

  static async open(t: ExecutionContext, port: number, token: string, transports?: ("polling" | "websocket")[]) {
    const consumer = new RawConsumer(port, token, transports);
    t.teardown(() => consumer.socket.close());
    await once(consumer.socket as never, "open");
    return consumer;
  }

  /** The batches that came. */
  get batches(): PublishRequest[] {
    return this.received.filter(({ method }) => method === "publish") as never;
  }

  get messages(): unknown[] {
    return this.batches.flatMap(({ params }) => params.map((message) => JSON.parse(message) as unknown));
  }

  acknowledge(id: unknown): void {
    this.send({ jsonrpc: "2.0", id, result: "OK" });
  }

  send(message: unknown): void {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }
}

/** The numbers from 0, or another one, on. */
export function range(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, index) => from + index);
}

/** Where it differs first, with some of what is there: thousands of lines say no more. */
export function firstWrong(got: readonly unknown[], expected: readonly unknown[]) {
  const at = expected.findIndex((value, index) => got[index] !== value);
  if (at < 0 && got.length === expected.length) return undefined;
  return {
    at,
    got: got.slice(Math.max(0, at - 3), at + 12),
    lengths: [got.length, new Set(got).size, expected.length],
  };
}
