import { randomBytes } from "node:crypto";
import { reportError, reportGap } from "../../diagnostics.js";
import { type GlobalChannelError, unreachable } from "../../errors.js";
import type { RedisConnection } from "../../redis/connection.js";
import type { FrontendRequest, ReplyTo, RequestHandler, RpcTransport, Unsubscribe } from "../../types.js";
import { Exchange } from "./exchange.js";
import { Inbox } from "./inbox.js";
import { Outboxes } from "./outboxes.js";
import { Replies } from "./replies.js";
import { Unanswered } from "./unanswered.js";
import { decodeReplies, encodeRequest, type ReplyReader, withoutAnswer } from "./wire.js";

/**
 * Carries requests by Redis pub/sub: one channel for each frontend's requests, one for each caller's replies. The replies of
 * one tick to one caller go in one message. What is lost with a connection is sent once more, until its deadline, and handled
 * once, in the order of the calls. See {@link RpcTransport}.
 */
export class RedisTransport implements RpcTransport {
  readonly #connection: RedisConnection;
  /** Names this caller's reply channel. */
  readonly id = randomBytes(9).toString("base64url");
  readonly #exchanges = new Map<number, Exchange>();
  readonly #unanswered: Unanswered;
  readonly #replies: Replies;
  readonly #reader: ReplyReader = {
    heardFrom: (sid) => this.#unanswered.heardFrom(sid),
    settle: (id, sid, outcome) => this.#exchanges.get(id)?.settle(sid, outcome),
    mayHaveMissed: (sid) => this.#unanswered.ask(sid),
    missed: (sid, ids) => void this.#unanswered.sendAgain(sid, ids),
  };
  readonly #outboxes: Outboxes;
  readonly #inboxes = new Map<string, Set<Inbox>>();
  #lastId = 0;
  #unsubscribe: Unsubscribe | undefined;

  constructor(connection: RedisConnection) {
    this.#connection = connection;
    this.#replies = new Replies(connection);
    this.#outboxes = new Outboxes(connection);
    this.#unanswered = new Unanswered({
      connection,
      from: this.id,
      exchanges: this.#exchanges,
      sendTo: (sid, text) => this.sendTo(sid, text),
      report: (error) => reportError(this, error),
    });
  }

  async start(): Promise<void> {
    await this.#connection.open();
    try {
      const { subscriptions, layout } = this.#connection;
      this.#unsubscribe = await subscriptions.subscribe([layout.of(this.id).replies(this.id)], {
        message: (message) => this.#settle(message),
        gap: () => {
          reportGap(this, "replies");
          this.#unanswered.askAll();
        },
      });
    } catch (error) {
      await this.#connection.close();
      throw error;
    }
    this.#unanswered.start();
  }

  async stop(): Promise<void> {
    this.#unanswered.stop();
    this.#replies.flush();
    await this.#unsubscribe?.();
    await this.#connection.close();
  }

  async request<R extends FrontendRequest>(
    sid: string,
    request: R,
    options: { timeoutMs: number },
  ): Promise<ReplyTo<R>> {
    const exchange = this.openExchange(options.timeoutMs);
    // Pushes that were called for before have earlier ids.
    this.#connection.flush();
    const id = this.enter(exchange);
    return new Promise((resolve, reject) => {
      exchange.expect(
        new Set([sid]),
        { answered: (_sid, reply) => resolve(reply as ReplyTo<R>), failed: (_sid, error) => reject(error) },
        () => request,
      );
      this.sendTo(sid, encodeRequest(this.id, id, request)).then(
        (receivers) => receivers === 0 && this.unreached(exchange, sid),
        (error: Error) => exchange.fail(sid, error),
      );
    });
  }

  async send(sid: string, request: FrontendRequest): Promise<void> {
    this.#connection.flush();
    const receivers = await this.sendTo(sid, encodeRequest(this.id, withoutAnswer(++this.#lastId), request));
    if (receivers === 0) throw unreachable(sid);
  }

  async serve(sid: string, handler: RequestHandler): Promise<Unsubscribe> {
    const inbox = new Inbox(sid, handler, this.#replies);
    const unsubscribe = await this.#connection.subscriptions.subscribe([this.#inboxOf(sid)], {
      message: (message) => inbox.message(message),
      lost: () => inbox.lost(),
      gap: () => {
        reportGap(this, "requests");
        inbox.gap();
      },
    });
    const inboxes = this.#inboxes.get(sid) ?? new Set();
    this.#inboxes.set(sid, inboxes.add(inbox));
    return async () => {
      inboxes.delete(inbox);
      if (inboxes.size === 0 && this.#inboxes.get(sid) === inboxes) this.#inboxes.delete(sid);
      inbox.close();
      await unsubscribe();
    };
  }

  async fence(sid: string): Promise<void> {
    const inboxes = [...(this.#inboxes.get(sid) ?? [])];
    await this.#connection.subscriptions.catchUp(this.#inboxOf(sid));
    for (const inbox of inboxes) inbox.forget();
  }

  async settled(sid: string): Promise<void> {
    await this.#connection.subscriptions.catchUp(this.#inboxOf(sid));
  }

  /** Begins a request that the caller of this method sends itself, once it has {@link enter entered} it. See {@link Exchange}. */
  openExchange(timeoutMs: number, onSendingTimeout?: (error: GlobalChannelError) => void): Exchange {
    return new Exchange(timeoutMs, ({ id }) => void (id && this.#exchanges.delete(id)), onSendingTimeout);
  }

  /** A request is sent now. Returns its id: they rise in the order in which requests are sent. */
  enter(exchange: Exchange): number {
    const id = (exchange.id = ++this.#lastId);
    this.#exchanges.set(id, exchange);
    return id;
  }

  /** Sends a message to a frontend, in the order of the calls. Resolves how many have got it. */
  sendTo(sid: string, message: string): Promise<number> {
    const inbox = this.#inboxOf(sid);
    return this.#connection.isClustered
      ? this.#outboxes.send(inbox, message)
      : this.#connection.publish(inbox, message);
  }

  /** A request has not reached a frontend, which may have lost its connection: waits for it while it holds its lease. */
  unreached(exchange: Exchange, sid: string): void {
    this.#unanswered.unreached(exchange, sid);
  }

  #inboxOf(sid: string): string {
    return this.#connection.layout.of(sid).inbox(sid);
  }

  #settle(message: string): void {
    try {
      decodeReplies(message, this.#reader);
    } catch (error) {
      reportError(this, error);
    }
  }
}
