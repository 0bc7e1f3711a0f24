import { randomBytes } from "node:crypto";
import { reportError, reportGap } from "../../diagnostics.js";
import { type GlobalChannelError, unreachable } from "../../errors.js";
import type { RedisConnection } from "../../redis/connection.js";
import type {
  FrontendReply,
  FrontendRequest,
  ReplyTo,
  RequestHandler,
  RpcTransport,
  Unsubscribe,
} from "../../types.js";
import { Exchange } from "./exchange.js";
import { RecentRequests } from "./recent-requests.js";
import {
  decodeReplies,
  decodeRequests,
  encodeRequest,
  type Outcome,
  ReplyWriter,
  wantsAnswer,
  withoutAnswer,
} from "./wire.js";

/**
 * Carries requests by Redis pub/sub: one channel for each frontend's requests, one for each caller's replies. The replies of
 * one tick to one caller go in one message. See {@link RpcTransport}.
 */
export class RedisTransport implements RpcTransport {
  readonly #connection: RedisConnection;
  /** Names this caller's reply channel. */
  readonly id = randomBytes(9).toString("base64url");
  readonly #exchanges = new Map<number, Exchange>();
  /** Of this tick: caller -> sid -> replies. */
  readonly #replies = new Map<string, Map<string, ReplyWriter>>();
  #lastId = 0;
  #unsubscribe: Unsubscribe | undefined;

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  async start(): Promise<void> {
    await this.#connection.open();
    try {
      const { subscriptions, keys } = this.#connection;
      this.#unsubscribe = await subscriptions.subscribe(keys.replies(this.id), {
        message: (message) => this.#settle(message),
        gap: () => reportGap(this, "replies"),
      });
    } catch (error) {
      await this.#connection.close();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#flushReplies();
    await this.#unsubscribe?.();
    await this.#connection.close();
  }

  async request<R extends FrontendRequest>(
    sid: string,
    request: R,
    options: { timeoutMs: number },
  ): Promise<ReplyTo<R>> {
    const { id, exchange } = this.openExchange(options.timeoutMs);
    return new Promise((resolve, reject) => {
      exchange.expect(new Set([sid]), {
        answered: (_sid, reply) => resolve(reply as ReplyTo<R>),
        failed: (_sid, error) => reject(error),
      });
      this.#publish(sid, encodeRequest(this.id, id, request)).catch((error: Error) => exchange.fail(sid, error));
    });
  }

  send(sid: string, request: FrontendRequest): Promise<void> {
    return this.#publish(sid, encodeRequest(this.id, withoutAnswer(this.nextId()), request));
  }

  async serve(sid: string, handler: RequestHandler): Promise<Unsubscribe> {
    const recent = new RecentRequests();
    return this.#connection.subscriptions.subscribe(this.#connection.keys.inbox(sid), {
      message: (message) => this.#handleAll(sid, message, handler, recent),
      gap: () => reportGap(this, "requests"),
    });
  }

  /** Begins a request that the caller of this method sends itself. See {@link Exchange}. */
  openExchange(
    timeoutMs: number,
    onSendingTimeout?: (error: GlobalChannelError) => void,
  ): { id: number; exchange: Exchange } {
    const id = this.nextId();
    const exchange = new Exchange(timeoutMs, () => this.#exchanges.delete(id), onSendingTimeout);
    this.#exchanges.set(id, exchange);
    return { id, exchange };
  }

  /** Of a request. */
  nextId(): number {
    return ++this.#lastId;
  }

  async #publish(sid: string, message: string): Promise<void> {
    const inbox = this.#connection.keys.inbox(sid);
    if ((await this.#connection.command((client) => client.publish(inbox, message))) === 0) throw unreachable(sid);
  }

  #settle(message: string): void {
    try {
      decodeReplies(message, (id, sid, outcome) => this.#exchanges.get(id)?.settle(sid, outcome));
    } catch (error) {
      reportError(this, error);
    }
  }

  #handleAll(sid: string, message: string, handler: RequestHandler, recent: RecentRequests): void {
    try {
      decodeRequests(message, (from, id, request) => {
        if (recent.isNew(from, id)) this.#handle(sid, from, id, request, handler);
      });
    } catch (error) {
      // Nobody of ours wrote this: there is no one to answer.
      reportError(this, error);
    }
  }

  #handle(sid: string, from: string, id: number, request: FrontendRequest, handler: RequestHandler): void {
    const isAsked = wantsAnswer(id);
    const succeed = (answer: FrontendReply): void => {
      if (isAsked) this.#reply(from, sid, id, { answer });
    };
    const fail = (error: unknown): void => {
      if (isAsked) this.#reply(from, sid, id, { error: error instanceof Error ? error.message : String(error) });
      else reportError(this, error);
    };
    try {
      const answer = handler(request);
      // Most answers are there at once: a promise would only delay them.
      if (answer instanceof Promise) answer.then(succeed, fail);
      else succeed(answer);
    } catch (error) {
      fail(error);
    }
  }

  #reply(to: string, sid: string, id: number, outcome: Outcome): void {
    if (this.#replies.size === 0) process.nextTick(() => this.#flushReplies());
    let bySid = this.#replies.get(to);
    if (!bySid) this.#replies.set(to, (bySid = new Map()));
    let writer = bySid.get(sid);
    if (!writer) bySid.set(sid, (writer = new ReplyWriter(sid)));
    writer.add(id, outcome);
  }

  #flushReplies(): void {
    for (const [to, bySid] of this.#replies) {
      for (const writer of bySid.values()) {
        const message = writer.end();
        // A reply that is lost leaves its caller not knowing, which is what its report says.
        this.#connection
          .command((client) => client.publish(this.#connection.keys.replies(to), message))
          .catch((error: unknown) => reportError(this, error));
      }
    }
    this.#replies.clear();
  }
}
