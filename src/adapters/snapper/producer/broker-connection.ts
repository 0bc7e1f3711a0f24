import { connect, type Socket } from "node:net";
import { GlobalChannelError } from "../../../errors.js";
import { UNAUTHORIZED } from "../rpc/failures.js";
import { FrameDecoder } from "../wire/frame-decoder.js";
import { encodeCall, parseAnswer, type RpcAnswer } from "../wire/message.js";
import { protocolError } from "../wire/protocol-error.js";
import type { Endpoint } from "./endpoint.js";

/** How long a connection may be silent before the broker is asked whether it is there still, in milliseconds. */
const KEEP_ALIVE_MS = 30_000;
/** The longest answer, in bytes: those to what producers ask are short. */
const MAX_ANSWER_BYTES = 16_777_216;

export interface BrokerConnectionOptions {
  endpoint: Endpoint;
  /** Of the request `auth`. */
  authId: string;
  token: string;
  /** How long it may take to be open, and to answer, in milliseconds. */
  timeoutMs: number;
  /** The broker has let it in. */
  opened: () => void;
  answered: (answer: RpcAnswer) => void;
  /** Whether any answer is waited for. */
  isWaiting: () => boolean;
  /** It is gone, or was never there: told once, and last. */
  lost: (error: GlobalChannelError) => void;
}

/** One connection to a broker, as long as it lasts. */
export class BrokerConnection {
  /** Resolves when it is gone. */
  readonly closed: Promise<void>;
  readonly #options: BrokerConnectionOptions;
  readonly #socket: Socket;
  readonly #decoder = new FrameDecoder(MAX_ANSWER_BYTES);
  #isOpen = false;
  #isEnded = false;
  /** Fires when nothing comes for too long. */
  #silence: NodeJS.Timeout | undefined;

  constructor(options: BrokerConnectionOptions) {
    this.#options = options;
    this.#socket = connect({
      ...options.endpoint,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
    });
    this.closed = new Promise((resolve) => this.#socket.once("close", () => resolve()));
    this.#socket
      .once("connect", () => this.#socket.write(encodeCall(options.authId, "auth", JSON.stringify([options.token]))))
      .on("data", (chunk) => this.#read(chunk))
      .once("error", (cause) => this.#fail(unreachable(options.endpoint, cause.message, cause)))
      .once("close", () => this.#fail(unreachable(options.endpoint, "it has closed the connection")))
      // After the first one, which has been told.
      .on("error", () => {});
    this.#await();
  }

  get isOpen(): boolean {
    return this.#isOpen && !this.#isEnded;
  }

  send(frame: Buffer): void {
    this.#socket.write(frame);
    if (!this.#silence) this.#await();
  }

  /** Ends it when what was written is sent; nothing is told any more. */
  end(): void {
    this.#isEnded = true;
    clearTimeout(this.#silence);
    if (this.#isOpen) this.#socket.end();
    else this.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #await(): void {
    const { endpoint, timeoutMs } = this.#options;
    this.#silence = setTimeout(() => this.#fail(unreachable(endpoint, `nothing came for ${timeoutMs} ms`)), timeoutMs);
  }

  #read(chunk: Buffer): void {
    if (this.#isEnded) return;
    try {
      this.#decoder.append(chunk);
      for (let frame = this.#decoder.next(); frame; frame = this.#decoder.next()) {
        const answer = parseAnswer(frame);
        if (answer) this.#take(answer);
        if (this.#isEnded) return;
      }
    } catch (cause) {
      this.#fail(cause as GlobalChannelError);
      return;
    }
    clearTimeout(this.#silence);
    this.#silence = undefined;
    if (!this.#isOpen || this.#options.isWaiting()) this.#await();
  }

  #take(answer: RpcAnswer): void {
    if (this.#isOpen) {
      this.#options.answered(answer);
      return;
    }
    if (answer.id !== this.#options.authId) return;
    if ("error" in answer) {
      const { code, message } = answer.error;
      const text = `the broker refuses the producer's token: ${code} ${message}`;
      this.#fail(code === UNAUTHORIZED ? new GlobalChannelError("GC_INVALID_TOKEN", text) : protocolError(text));
      return;
    }
    this.#isOpen = true;
    this.#options.opened();
  }

  #fail(error: GlobalChannelError): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#silence);
    this.#socket.destroy();
    this.#options.lost(error);
  }
}

function unreachable({ host, port }: Endpoint, why: string, cause?: Error): GlobalChannelError {
  const message = `the broker at ${host}:${port} cannot be reached: ${why}`;
  return new GlobalChannelError("GC_BROKER_UNREACHABLE", message, { cause });
}
