import { checkInteger, encodeMessage, invalid } from "../../arguments.js";
import { COMMENT, encodeEvent, encodeStart, withId } from "./events.js";
import { EventStream } from "./event-stream.js";
import { type History, readPosition } from "./history.js";
import type { AnyRequest, AnyResponse } from "./http-types.js";

/** An event for one client, its data as JSON. */
export interface SseMessage {
  route: string;
  msg: unknown;
}

/** One client of an `SseConnector`: with one connection, or, where there is a history, with one after the other. */
export interface SseSession {
  readonly uid: string;
  /** Whether it is closed: its client has gone and cannot come back to it, or {@link close} was called. */
  readonly isClosed: boolean;
  /** Whether its connection is lost, and its client may come back. */
  readonly isKept: boolean;
  /** Resolves when it is closed. */
  readonly closed: Promise<void>;
  /**
   * Answers the request of a session that was accepted, with `status`, 200 if there is none, and sends `hello`, then what was delivered
   * since. Does nothing where it is closed: its client has gone meanwhile.
   * @throws `GC_INVALID_ARGUMENT`, `GC_MESSAGE_NOT_SERIALIZABLE`; nothing is answered then, and it may be called again
   */
  begin(options?: { status?: number; hello?: SseMessage }): void;
  /**
   * Goes on with another request of its client, as `SseConnector.sessionOf` has found it: answers that, and sends what came after its
   * `Last-Event-ID`. A connection that was not known to be lost is cut. Returns how many events the client has missed that are not kept,
   * of which it is told by an event `gap`; undefined where it cannot go on, and nothing is answered: it is closed, or has not begun.
   * @throws `GC_INVALID_ARGUMENT`
   */
  resume(request: AnyRequest, response: AnyResponse, status?: number): number | undefined;
  /**
   * Sends a message to this client alone. Returns whether it is written, or kept until the client comes back.
   * @throws `GC_INVALID_ARGUMENT` the route has more than one line, or is no name; `GC_MESSAGE_NOT_SERIALIZABLE`
   */
  send(route: string, msg: unknown): boolean;
  /**
   * Closes the session, at once, and its connection when what was written is sent; the client cannot come back to it. A request that is
   * not answered yet is its owner's to answer. Resolves when the connection is gone: clients have one second to take what was sent.
   */
  close(): Promise<void>;
}

/** What its connector says, and is told. */
export interface SessionOwner {
  readonly maxBufferedBytes: number;
  /** For how long a session without a connection is kept, in milliseconds; only asked where there is a history. */
  readonly keepMs: number;
  /** How long a client is to wait before it connects again, in milliseconds. */
  retryMs(): number;
  /** The client is too slow, and loses its connection. */
  slow(session: Session, bufferedBytes: number): void;
  /** @param gone resolves when its connection is gone, too */
  closed(session: Session, gone: Promise<void>): void;
}

/** Of one event: it is written, or will be; it is kept for a client that may come back; the client does not get it. */
export type Outcome = "written" | "kept" | "failed";

interface SessionOptions {
  uid: string;
  /** The step of the heartbeat in which it gets a comment. */
  step: number;
  history: History | undefined;
  response: AnyResponse;
}

/** Tells a client that it has missed events which are not kept: `{"missed": 3}`, or null where nobody knows how many. */
const GAP_EVENT = "gap";

export class Session implements SseSession {
  readonly uid: string;
  readonly step: number;
  readonly history: History | undefined;
  readonly closed: Promise<void>;
  readonly #owner: SessionOwner;
  /** Its connection, unless that is lost. */
  #stream: EventStream | undefined;
  /** What waits for {@link begin}. */
  #held: Buffer[] | undefined = [];
  #heldBytes = 0;
  #expiry: NodeJS.Timeout | undefined;
  #isClosed = false;
  #setClosed!: () => void;

  constructor(owner: SessionOwner, { uid, step, history, response }: SessionOptions) {
    this.#owner = owner;
    this.uid = uid;
    this.step = step;
    this.history = history;
    this.closed = new Promise((resolve) => (this.#setClosed = resolve));
    this.#attach(response);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get isKept(): boolean {
    return !this.#stream && !this.#isClosed;
  }

  begin({ status = 200, hello }: { status?: number; hello?: SseMessage } = {}): void {
    checkStatus(status);
    if (!this.#held || this.#isClosed) return;
    // Nobody comes back to it: the client never knew its history.
    if (this.#stream?.isGone) {
      void this.close();
      return;
    }
    const events = hello ? [encode(hello), ...this.#held] : this.#held;
    this.#held = undefined;
    // A client that loses its connection before its first event is to come back to this session, too.
    const id = this.history?.idOf(0);
    this.#stream?.begin(status, encodeStart({ retryMs: this.#owner.retryMs(), id }));
    for (const event of events) this.#append(event);
  }

  resume(request: AnyRequest, response: AnyResponse, status = 200): number | undefined {
    checkStatus(status);
    checkUnanswered(response);
    const position = readPosition(request);
    if (!this.history || !position || this.#held || this.#isClosed) return undefined;
    this.#stream?.cut();
    this.#attach(response);
    const { events, missed } = this.history.since(position.number);
    this.#stream?.begin(status, encodeStart({ retryMs: this.#owner.retryMs() }));
    if (missed > 0) this.tellGap(missed, position.number + missed);
    for (const event of events) this.#stream?.write(event);
    return missed;
  }

  /** Tells it that it has missed events, and goes on after the one with this number: the gap is told once. */
  tellGap(missed: number | null, number = this.history?.last ?? 0): void {
    const event = encode({ route: GAP_EVENT, msg: { missed } });
    this.#stream?.write(this.history ? withId(event, this.history.idOf(number)) : event);
  }

  send(route: string, msg: unknown): boolean {
    return this.write(encode({ route, msg })) !== "failed";
  }

  /** Takes an encoded event. */
  write(event: Buffer): Outcome {
    if (this.#isClosed) return "failed";
    if (this.#held) return this.#hold(this.#held, event);
    if (this.#stream?.isTooSlow(this.#owner.maxBufferedBytes)) this.#cutSlow(this.#stream.unsent);
    return this.#append(event);
  }

  beat(): void {
    if (!this.#held) this.#stream?.write(COMMENT);
  }

  async close(): Promise<void> {
    // What was not begun is no stream of ours.
    const gone = this.#held ? Promise.resolve() : (this.#stream?.closed ?? Promise.resolve());
    if (!this.#isClosed) {
      this.#isClosed = true;
      clearTimeout(this.#expiry);
      this.#owner.closed(this, gone);
      this.#setClosed();
      if (!this.#held) this.#stream?.end();
    }
    await gone;
  }

  #attach(response: AnyResponse): void {
    clearTimeout(this.#expiry);
    const stream = (this.#stream = new EventStream(response));
    void stream.closed.then(() => {
      if (this.#stream === stream && !this.#isClosed) this.#lose();
    });
  }

  #lose(): void {
    this.#stream = undefined;
    if (!this.history || this.#held) void this.close();
    else this.#expiry = setTimeout(() => void this.close(), this.#owner.keepMs);
  }

  #hold(held: Buffer[], event: Buffer): Outcome {
    this.#heldBytes += event.length;
    if (this.#heldBytes > this.#owner.maxBufferedBytes && held.length > 0) {
      this.#owner.slow(this, this.#heldBytes);
      void this.close();
      return "failed";
    }
    held.push(event);
    return "written";
  }

  #append(event: Buffer): Outcome {
    const numbered = this.history?.add(event) ?? event;
    if (this.#stream) {
      this.#stream.write(numbered);
      return "written";
    }
    return this.isKept ? "kept" : "failed";
  }

  #cutSlow(bufferedBytes: number): void {
    this.#owner.slow(this, bufferedBytes);
    this.#stream?.cut();
    this.#lose();
  }
}

/** @throws `GC_INVALID_ARGUMENT` */
export function checkUnanswered(response: AnyResponse): void {
  if (response.headersSent) throw invalid("response", response, "one that nothing has answered yet");
}

/** @throws `GC_INVALID_ARGUMENT` */
export function checkStatus(status: unknown): number {
  if (status === 204 || status === 205) throw invalid("status", status, "one whose answer has content");
  return checkInteger("status", status, { min: 200, max: 299 });
}

function encode({ route, msg }: SseMessage): Buffer {
  return encodeEvent({ route, body: encodeMessage(msg, Number.MAX_SAFE_INTEGER) });
}
