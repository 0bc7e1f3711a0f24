import type { ServerResponse } from "node:http";
import { drained } from "../drained.js";
import { Fullness } from "../fullness.js";
import { isGone, whenGone } from "./client-gone.js";
import type { AnyResponse } from "./http-types.js";

/** How long a client has to take what was written before its connection is cut, in milliseconds. */
const LINGER_MS = 1000;

/** See https://html.spec.whatwg.org/multipage/server-sent-events.html */
const HEADERS = {
  "Content-Type": "text/event-stream; charset=utf-8",
  // Nobody keeps it, nor packs it, which would hold events back.
  "Cache-Control": "no-cache, no-transform",
  // nginx would collect events until they are enough. @see https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_buffering
  "X-Accel-Buffering": "no",
};

/** A response that is a stream of events. */
export class EventStream {
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
  readonly #response: ServerResponse;
  readonly #fullness = new Fullness();
  #setClosed!: () => void;

  constructor(response: AnyResponse) {
    // All that is used of it here that of HTTP/2 has, too, if not by its types.
    this.#response = response as ServerResponse;
    // What is written to a client that has just gone away.
    this.#response.on("error", () => {});
    this.closed = new Promise((resolve) => (this.#setClosed = resolve));
    whenGone(response, this.#setClosed);
  }

  get isGone(): boolean {
    return isGone(this.#response);
  }

  begin(status: number, first: Buffer): void {
    // Small events are not to wait for each other.
    this.#response.socket?.setNoDelay(true);
    this.#response.writeHead(status, HEADERS);
    this.#response.write(first);
  }

  write(bytes: Buffer): void {
    this.#response.write(bytes);
  }

  /** How many bytes the client has not taken yet. */
  get unsent(): number {
    return this.#response.writableLength;
  }

  /** Resolves when there is room again for what is written to it, or it is gone. */
  drained(): Promise<void> {
    return drained(this.#response);
  }

  /** Whether the client has not taken so much; to be asked before each event. */
  isTooSlow(limit: number): boolean {
    return this.#fullness.update(this.unsent > limit);
  }

  /** Ends it when all is sent that was written, or cuts it off. */
  end(): void {
    this.#response.end();
    const timer = setTimeout(() => this.cut(), LINGER_MS);
    void this.closed.then(() => clearTimeout(timer));
  }

  cut(): void {
    this.#response.destroy();
    // One that waits for another response of its connection does not close before that.
    this.#setClosed();
  }
}
