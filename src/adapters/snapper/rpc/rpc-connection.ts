import type { Socket } from "node:net";
import { describe, invalid } from "../../../arguments.js";
import { GlobalChannelError, isGlobalChannelError } from "../../../errors.js";
import { FrameDecoder } from "../wire/frame-decoder.js";
import { encodeFailure, encodeResult, parseCall, type RpcCall } from "../wire/message.js";
import { protocolError } from "../wire/protocol-error.js";
import { failureOf, UNAUTHORIZED, UNKNOWN_METHOD } from "./failures.js";
import type { RpcServerOptions } from "./options.js";
import type { RpcSession } from "./rpc-session.js";

/** The largest frame of a client that has not shown who it is: enough for the longest token. */
const MAX_AUTH_FRAME_BYTES = 16_384;
/** How long a client that was refused may take to read that, and go, in milliseconds. */
const REFUSAL_MS = 1000;

/** What it needs of its server's options. */
export interface RpcConnectionOptions<A> extends Pick<RpcServerOptions<A>, "authenticate" | "methods"> {
  maxFrameBytes: number;
  authTimeoutMs: number;
  /** Gets the errors that the client is not told of, or alone is told of though the server is to know. */
  onError: (error: Error) => void;
}

/**
 * One connection of a client. Its calls are done one after the other, and no more is read than there is room for in the socket's buffer
 * before the one under way is answered and the answer taken.
 */
export class RpcConnection<A> {
  /** Resolves when the connection is gone, and nothing is under way. */
  readonly done: Promise<void>;
  readonly #socket: Socket;
  readonly #options: RpcConnectionOptions<A>;
  readonly #address: string;
  readonly #decoder: FrameDecoder;
  readonly #gone: Promise<void>;
  #session: RpcSession<A> | undefined;
  #isBusy = false;
  #isClosing = false;
  #isRefused = false;

  constructor(socket: Socket, options: RpcConnectionOptions<A>) {
    this.#socket = socket;
    this.#options = options;
    // Where IPv6 is listened at, IPv4 addresses come in its form.
    this.#address = `${socket.remoteAddress?.replace(/^::ffff:/, "")}:${socket.remotePort}`;
    this.#decoder = new FrameDecoder(Math.min(MAX_AUTH_FRAME_BYTES, options.maxFrameBytes));
    this.#gone = new Promise((resolve) => socket.once("close", () => resolve()));
    // Who reads hears of it, and what is not read is closed anyway.
    socket.on("error", () => {});
    this.done = this.#serve();
  }

  /**
   * Takes no more requests: the one under way is answered, and notifications that are on the way are done still. A client that does not
   * go after that is {@link destroy}ed by whoever has called this.
   */
  close(): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    if (!this.#session) this.destroy();
    else if (!this.#isBusy) this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async #serve(): Promise<void> {
    const timer = setTimeout(() => this.destroy(), this.#options.authTimeoutMs);
    try {
      await this.#read(() => clearTimeout(timer));
      // The client has ended its side, and what it asked is answered; or it was refused.
      this.#socket.end();
      if (this.#isRefused) this.#awaitEnd();
    } catch (error) {
      this.destroy();
      // Else the connection has failed, which every client can do at any time.
      if (isGlobalChannelError(error)) this.#options.onError(error);
    } finally {
      clearTimeout(timer);
    }
    await this.#gone;
  }

  async #read(authenticated: () => void): Promise<void> {
    // Not destroyed by the end of the loop: a refusal is to arrive.
    for await (const chunk of this.#socket.iterator({ destroyOnReturn: false })) {
      this.#decoder.append(chunk as Buffer);
      for (;;) {
        const frame = this.#nextFrame();
        if (!frame) break;
        const call = this.#parse(frame);
        if (this.#session) {
          await this.#do(call, this.#session);
        } else {
          await this.#authenticate(call);
          if (this.#isRefused) return;
          authenticated();
        }
      }
    }
  }

  #nextFrame(): Buffer | undefined {
    try {
      return this.#decoder.next();
    } catch (error) {
      throw this.#named(error);
    }
  }

  #parse(frame: Buffer): RpcCall {
    try {
      return parseCall(frame);
    } catch (error) {
      throw this.#named(error);
    }
  }

  /** With whose it is: among many clients somebody has to find the one. */
  #named(error: unknown): unknown {
    return isGlobalChannelError(error) ? protocolError(`${error.message} (from ${this.#address})`) : error;
  }

  async #authenticate({ id, method, params }: RpcCall): Promise<void> {
    if (method !== "auth" || id === undefined) throw this.#named(protocolError("the first frame is no request auth"));
    const token: unknown = Array.isArray(params) ? params[0] : undefined;
    try {
      if (typeof token !== "string") throw invalid("params[0]", token, "a token");
      const identity = await this.#options.authenticate(token);
      const socket = this.#socket;
      this.#session = {
        identity,
        address: this.#address,
        get isClosed() {
          return socket.destroyed;
        },
      };
    } catch (cause) {
      this.#isRefused = true;
      this.#socket.write(encodeFailure(id, { code: UNAUTHORIZED, message: "Unauthorized" }));
      const message = `a client from ${this.#address} is refused`;
      this.#options.onError(new GlobalChannelError("GC_INVALID_TOKEN", message, { cause }));
      return;
    }
    this.#decoder.maxFrameBytes = this.#options.maxFrameBytes;
    await this.#write(encodeResult(id, "OK"));
  }

  async #do(call: RpcCall, session: RpcSession<A>): Promise<void> {
    // It cannot be answered any more: who asks again elsewhere is not to have it done twice.
    if (this.#isClosing && call.id !== undefined) return;
    this.#isBusy = true;
    const answer = await this.#answer(call, session);
    if (answer && call.id !== undefined) await this.#write(answer);
    this.#isBusy = false;
    if (this.#isClosing) this.#socket.end();
  }

  async #answer({ id, method, params = [] }: RpcCall, session: RpcSession<A>): Promise<Buffer | undefined> {
    const { methods, onError } = this.#options;
    // Names that every object has, as `constructor`, are none.
    if (id !== undefined && !Object.hasOwn(methods, method)) {
      return encodeFailure(id, { code: UNKNOWN_METHOD, message: `there is no method ${describe(method)}` });
    }
    try {
      if (!Object.hasOwn(methods, method)) throw invalid("method", method, Object.keys(methods).join(", "));
      if (!Array.isArray(params)) throw invalid("params", params, "an array");
      const result = await methods[method]!(params, { id, session });
      return id === undefined ? undefined : encodeResult(id, result);
    } catch (error) {
      if (id === undefined || !isGlobalChannelError(error)) onError(asError(error));
      return id === undefined ? undefined : encodeFailure(id, failureOf(error));
    }
  }

  /** Resolves when there is room for more, or the connection is gone: a client that takes no answers gets none. */
  async #write(frame: Buffer): Promise<void> {
    const socket = this.#socket;
    if (!socket.writable || socket.write(frame)) return;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        socket.off("drain", go).off("close", go);
        resolve();
      };
      socket.on("drain", go).on("close", go);
    });
  }

  #awaitEnd(): void {
    const timer = setTimeout(() => this.destroy(), REFUSAL_MS);
    void this.#gone.then(() => clearTimeout(timer));
    // What comes is thrown away: where it stayed unread, the refusal would be lost.
    this.#socket.resume();
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
