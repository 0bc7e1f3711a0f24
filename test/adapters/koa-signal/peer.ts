import { request, type IncomingMessage } from "node:http";
import { text } from "node:stream/consumers";
import type { ExecutionContext } from "ava";
import { createParser } from "eventsource-parser";

/** What a stream begins with. */
export interface Credentials {
  id: string;
  cid: string;
  token: string;
}

/** A client with a stream of events, which writes them down. Each of its requests has a connection of its own. */
export class Peer {
  readonly events: { event: string; data: unknown; id?: string }[] = [];
  /** Resolves when the stream has ended, however. */
  readonly ended: Promise<void>;
  credentials!: Credentials;

  /** Opens a stream, and resolves when that has begun with `connect`. */
  static async open(t: Pick<ExecutionContext, "teardown">, url: string, id = ""): Promise<Peer> {
    const response = await send("GET", `${url}/${id}`);
    if (response.statusCode! >= 300) throw new Error(`${response.statusCode}: ${await text(response)}`);
    const peer = new Peer(url, response);
    t.teardown(() => peer.close());
    await peer.#connected;
    return peer;
  }

  readonly #connected: Promise<void>;

  private constructor(
    readonly url: string,
    readonly response: IncomingMessage,
  ) {
    let connected!: () => void;
    this.#connected = new Promise((resolve) => (connected = resolve));
    const parser = createParser({
      onEvent: ({ event = "", data, id }) => {
        const parsed: unknown = JSON.parse(data);
        if (event === "connect" && !this.credentials) {
          this.credentials = parsed as Credentials;
          connected();
        } else {
          this.events.push({ event, data: parsed, ...(id !== undefined && { id }) });
        }
      },
    });
    response.setEncoding("utf8").on("data", (chunk: string) => parser.feed(chunk));
    // `close` follows.
    response.on("error", () => {});
    this.ended = new Promise((resolve) => response.once("close", () => resolve()));
  }

  /** What came with events of this name. */
  data(name: string): unknown[] {
    return this.events.filter(({ event }) => event === name).map(({ data }) => data);
  }

  /** The cids that came with events of this name. */
  cids(name: "join" | "leave"): string[] {
    return this.data(name).map((data) => (data as Credentials).cid);
  }

  /** Posts a signal, to all or to one. Resolves the status. */
  async signal(data: unknown, cid?: string): Promise<number> {
    const { id, token } = this.credentials;
    return post(`${this.url}/${id}`, { token, data, ...(cid !== undefined && { cid }) });
  }

  close(): void {
    this.response.destroy();
  }
}

/** Resolves the status. */
export async function post(url: string, body: unknown): Promise<number> {
  const response = await send("POST", url, JSON.stringify(body));
  response.resume();
  return response.statusCode!;
}

/** Resolves the status of a request that should get no stream. */
export async function statusOf(url: string): Promise<number> {
  const response = await send("GET", url);
  response.destroy();
  return response.statusCode!;
}

function send(method: string, url: string, body?: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { "Content-Type": "application/json" };
    request(url, { method, headers, agent: false }, resolve).on("error", reject).end(body);
  });
}
