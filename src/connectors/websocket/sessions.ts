import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { diagnostics } from "../../diagnostics.js";
import type { Awaitable, ClientMessage, Undelivered } from "../../types.js";
import { Heartbeat } from "../heartbeat.js";
import { SessionsByUser } from "../sessions-by-user.js";
import type { SessionHistory } from "../session-history.js";
import { keptMessageFrame, messageFrame, TickWriter } from "./frames.js";

/** How many messages of a client may have been taken in and not be handled yet. */
const MAX_UNHANDLED = 128;

/** A client of whom it is known who it is. */
export class Session {
  /** Whether it has answered its last ping, or sent something since. */
  alive = true;
  /** Of a client that keeps in mind where it is in the histories of its channels. */
  history: SessionHistory | undefined;
  #unhandled = 0;

  constructor(
    readonly uid: string,
    readonly ws: WebSocket,
    /** The connection under `ws`. */
    readonly socket: Duplex,
    /** The step of the heartbeat in which it is pinged. */
    readonly step: number,
  ) {
    ws.on("pong", () => (this.alive = true));
  }

  /** Has sent a message that is handled when this resolves. While many are not, the next ones wait in the connection. */
  handle(handling: Awaitable<void>): void {
    // The answer to its ping may be far behind what it sends.
    this.alive = true;
    if (!(handling instanceof Promise)) return;
    if (++this.#unhandled === MAX_UNHANDLED) this.ws.pause();
    const done = (): void => {
      if (this.#unhandled-- === MAX_UNHANDLED) this.ws.resume();
    };
    handling.then(done, done);
  }
}

/** What has become of a message: of one that is held the session knows, and gets it later. */
type Outcome = "written" | "held" | "failed";

/** A message as its receivers get it, each form of it made once. */
class MessageFrames {
  readonly message: ClientMessage;
  #plain: Buffer | undefined;
  #withPositions: Buffer | undefined;

  constructor(message: ClientMessage) {
    this.message = message;
  }

  get isKept(): boolean {
    return Boolean(this.message.positions?.length);
  }

  get plain(): Buffer {
    return (this.#plain ??= messageFrame(this.message));
  }

  get withPositions(): Buffer {
    return this.isKept ? (this.#withPositions ??= keptMessageFrame(this.message)) : this.plain;
  }
}

/** How long a client has to answer a close frame before it is cut off. */
const CLOSE_TIMEOUT_MS = 1000;

/** The open sessions, and what is done to all of them. */
export class Sessions {
  readonly #connector: object;
  readonly #maxBufferedBytes: number;
  readonly #writer = new TickWriter();
  readonly #all = new Set<Session>();
  readonly #users = new SessionsByUser<Session>();
  readonly #heartbeat = new Heartbeat();
  slowClosed = 0;
  heartbeatClosed = 0;

  constructor(connector: object, maxBufferedBytes: number) {
    this.#connector = connector;
    this.#maxBufferedBytes = maxBufferedBytes;
  }

  get count(): number {
    return this.#all.size;
  }

  get userCount(): number {
    return this.#users.size;
  }

  add(uid: string, ws: WebSocket, socket: Duplex): Session {
    const session = new Session(uid, ws, socket, this.#heartbeat.nextStep());
    this.#all.add(session);
    this.#users.add(session);
    return session;
  }

  delete(session: Session): void {
    this.#all.delete(session);
    this.#users.delete(session);
  }

  deliver(uids: ReadonlySet<string>, message: ClientMessage): Undelivered {
    const failed: string[] = [];
    const unknown: string[] = [];
    const frames = new MessageFrames(message);
    for (const uid of uids) {
      const outcome = this.#write(this.#users.of(uid), frames);
      if (outcome === "failed") failed.push(uid);
      else if (outcome === "held") unknown.push(uid);
    }
    return unknown.length > 0 ? { failed, unknown } : failed;
  }

  deliverToAll(message: ClientMessage, except: ReadonlySet<string>): number {
    let delivered = 0;
    const frames = new MessageFrames(message);
    for (const [uid, sessions] of this.#users.entries()) {
      if (!except.has(uid) && this.#write(sessions, frames) === "written") delivered++;
    }
    return delivered;
  }

  /** Closes the users' sessions. Returns who has none. */
  disconnect(uids: ReadonlySet<string>): string[] {
    const absent: string[] = [];
    for (const uid of uids) {
      const open = this.#users.of(uid).filter(({ ws }) => ws.readyState === ws.OPEN);
      if (open.length === 0) absent.push(uid);
      for (const { ws } of open) close(ws, 4403, "disconnected");
    }
    return absent;
  }

  /** Writes to all the sessions that can take it. Returns the best that has become of it. */
  #write(sessions: readonly Session[], frames: MessageFrames): Outcome {
    let best: Outcome = "failed";
    for (const session of sessions) {
      const { ws, history } = session;
      // Nothing may follow a close frame.
      if (ws.readyState !== ws.OPEN) continue;
      const admission = history && frames.isKept ? history.admit(frames.message) : "write";
      // What is held waits until the client has taken what it has missed.
      if (admission === "write" || admission === "late") {
        const isTold = history && admission === "write";
        if (!this.writeLive(session, isTold ? frames.withPositions : frames.plain)) continue;
      }
      if (admission !== "held") best = "written";
      else if (best === "failed") best = "held";
    }
    return best;
  }

  /** Writes a frame for one session, unless that is too slow, and is closed. Returns whether it was written. */
  writeLive({ uid, ws, socket }: Session, frame: Buffer): boolean {
    if (this.#isFull(socket)) {
      this.#closeSlow(uid, ws, socket.writableLength);
      return false;
    }
    this.#writer.write(socket, frame);
    return true;
  }

  /** Writes a frame for one session, whatever is unsent. */
  writeTo({ ws, socket }: Session, frame: Buffer): void {
    if (ws.readyState === ws.OPEN) this.#writer.write(socket, frame);
  }

  /** The user's sessions that have a history have joined a channel, or left it. */
  toHistories(uid: string, tell: (history: SessionHistory) => void): void {
    for (const { history } of this.#users.of(uid)) if (history) tell(history);
  }

  lookForMissed(): void {
    for (const { history } of this.#all) history?.lookForMissed();
  }

  #closeSlow(uid: string, ws: WebSocket, bufferedBytes: number): void {
    this.slowClosed++;
    close(ws, 1013, "too slow");
    if (diagnostics.slowClient.hasSubscribers) {
      diagnostics.slowClient.publish({ connector: this.#connector, uid, bufferedBytes });
    }
  }

  #isFull(socket: Duplex): boolean {
    // What this tick has written says nothing of the client: it is offered to it before it counts.
    return socket.writableLength > this.#maxBufferedBytes && this.#writer.flush(socket) > this.#maxBufferedBytes;
  }

  startHeartbeat(intervalMs: number): void {
    this.#heartbeat.start(intervalMs, (step) => this.#beat(step));
  }

  stopHeartbeat(): void {
    this.#heartbeat.stop();
  }

  /** Pings the sessions of a step, and cuts off those who have not answered the last time. */
  #beat(now: number): void {
    for (const session of this.#all) {
      const { ws, step, alive } = session;
      // One that is closing has its own deadline, and the answer of one that is paused would not be read.
      if (step !== now || ws.readyState !== ws.OPEN || ws.isPaused) continue;
      if (alive) {
        session.alive = false;
        ws.ping();
      } else {
        this.heartbeatClosed++;
        ws.terminate();
      }
    }
  }
}

/** Closes the connection, and cuts it off if the client does not answer. */
export function close(ws: WebSocket, code: number, reason: string): void {
  ws.close(code, reason);
  // The answer of a paused client would never be read.
  ws.resume();
  cutOffLater(ws);
}

export function cutOffLater(ws: WebSocket): void {
  const timer = setTimeout(() => ws.terminate(), CLOSE_TIMEOUT_MS);
  ws.once("close", () => clearTimeout(timer));
}
