import { checkInteger, encodeMessage, invalid } from "../../arguments.js";
import type { ChannelPosition } from "../../types.js";
import type { SessionHistory } from "../session-history.js";
import { encodeChannels, encodeEventId, MORE, readPosition } from "./event-id.js";
import { COMMENT, encodeEvent, encodeId, encodeStart, withId } from "./events.js";
import { EventStream } from "./event-stream.js";
import type { History } from "./history.js";
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

/**
 * Tells a client that it has missed events which are not kept: `{"missed": 3}`, or null where nobody knows how many; or messages of a
 * channel: `{"channels": ["room"]}`.
 */
const GAP_EVENT = "gap";

/** An event that waits, and where its client is in its channels once it has it, if that is to be told with it. */
interface HeldEvent {
  event: Buffer;
  channels: string | undefined;
}

export class Session implements SseSession {
  readonly uid: string;
  readonly step: number;
  readonly history: History | undefined;
  readonly closed: Promise<void>;
  readonly #owner: SessionOwner;
  /** Its connection, unless that is lost. */
  #stream: EventStream | undefined;
  /** What waits for {@link begin}. */
  #held: HeldEvent[] | undefined = [];
  #heldBytes = 0;
  #channels: SessionHistory | undefined;
  /** Where it was in its channels when it came. */
  #channelsAtFirst = "";
  #isIdDue = false;
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

  /** Where it is in the histories of its channels. */
  get channels(): SessionHistory | undefined {
    return this.#channels;
  }

  /** Goes on where it was in them, from the moment in which it is opened. */
  follow(channels: SessionHistory): void {
    this.#channels = channels;
    this.#channelsAtFirst = this.#channelsNow();
  }

  begin({ status = 200, hello }: { status?: number; hello?: SseMessage } = {}): void {
    checkStatus(status);
    if (!this.#held || this.#isClosed) return;
    // Nobody comes back to it: the client never knew its history.
    if (this.#stream?.isGone) {
      void this.close();
      return;
    }
    // Each says no more than what the client has got with it: what is held comes after the start, and after this.
    const first = this.history && this.#channelsAtFirst;
    const events = hello ? [{ event: encode(hello), channels: first }, ...this.#held] : this.#held;
    this.#held = undefined;
    // A client that loses its connection before its first event is to come back to this session, too.
    const id = encodeEventId(this.history?.idOf(0), this.#channelsAtFirst);
    this.#stream?.begin(status, encodeStart({ retryMs: this.#owner.retryMs(), id: id === "" ? undefined : id }));
    for (const { event, channels } of events) this.#append(event, channels);
    this.#tellIdSoon();
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
    // What it was to be told while it was away came with no event.
    this.#tellIdSoon();
    return missed;
  }

  /** Tells it that it has missed events, and goes on after the one with this number: the gap is told once. */
  tellGap(missed: number | null, number = this.history?.last ?? 0): void {
    const event = encode({ route: GAP_EVENT, msg: { missed } });
    // Where it was in its channels then is not known.
    const channels = number === this.history?.last ? this.#channelsNow() : MORE;
    this.#stream?.write(this.history ? withId(event, encodeEventId(this.history.idOf(number), channels)) : event);
  }

  /** Tells it where it is in a channel, and whether it has missed messages of that which are not kept. */
  tellPosition({ name }: ChannelPosition, hasGap: boolean): void {
    if (hasGap) this.#take(encode({ route: GAP_EVENT, msg: { channels: [name] } }), this.#channelsNow());
    else this.#tellIdSoon();
  }

  send(route: string, msg: unknown): boolean {
    return this.write(encode({ route, msg })) !== "failed";
  }

  /**
   * Takes an encoded event.
   * @param isKept whether with it the session is further in the history of a channel
   */
  write(event: Buffer, isKept = false): Outcome {
    if (!this.#isClosed && !this.#held && this.#stream?.isTooSlow(this.#owner.maxBufferedBytes)) {
      this.#cutSlow(this.#stream.unsent);
    }
    return this.#take(event, isKept || this.history ? this.#channelsNow() : undefined);
  }

  /** Takes what was missed of a channel, however much is unsent. */
  writeKept(event: Buffer): void {
    this.#take(event, this.#channelsNow());
  }

  /** Resolves when its connection has room again for what is written to it, or is gone. */
  async drained(): Promise<void> {
    await this.#stream?.drained();
  }

  beat(): void {
    if (!this.#held) this.#stream?.write(COMMENT);
  }

  async close(): Promise<void> {
    // What was not begun is no stream of ours.
    const gone = this.#held ? Promise.resolve() : (this.#stream?.closed ?? Promise.resolve());
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#channels?.close();
      clearTimeout(this.#expiry);
      this.#owner.closed(this, gone);
      this.#setClosed();
      if (!this.#held) this.#stream?.end();
    }
    await gone;
  }

  #take(event: Buffer, channels: string | undefined): Outcome {
    if (this.#isClosed) return "failed";
    return this.#held ? this.#hold(this.#held, event, channels) : this.#append(event, channels);
  }

  #channelsNow(): string {
    return this.#channels ? encodeChannels(this.#channels.positions()) : "";
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

  #hold(held: HeldEvent[], event: Buffer, channels: string | undefined): Outcome {
    this.#heldBytes += event.length;
    if (this.#heldBytes > this.#owner.maxBufferedBytes && held.length > 0) {
      this.#owner.slow(this, this.#heldBytes);
      void this.close();
      return "failed";
    }
    held.push({ event, channels });
    return "written";
  }

  #append(event: Buffer, channels: string | undefined): Outcome {
    const numbered = this.#identify(event, channels);
    if (this.#stream) {
      this.#stream.write(numbered);
      return "written";
    }
    return this.isKept ? "kept" : "failed";
  }

  /** Once for all the channels that it learns of at the same time: each would say where it is in all of them. */
  #tellIdSoon(): void {
    if (!this.#channels || this.#isIdDue) return;
    this.#isIdDue = true;
    setImmediate(() => {
      this.#isIdDue = false;
      const channels = this.#channelsNow();
      // Before it has begun, that is told with it.
      if (this.#held || this.#isClosed || channels === "") return;
      this.#stream?.write(encodeId(encodeEventId(this.history?.idOf(this.history.last), channels)));
    });
  }

  /** Gives the event an id, where that is another one than that of the event before. */
  #identify(event: Buffer, channels: string | undefined): Buffer {
    if (this.history) return this.history.add(event, channels ?? "");
    return channels ? withId(event, encodeEventId(undefined, channels)) : event;
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
