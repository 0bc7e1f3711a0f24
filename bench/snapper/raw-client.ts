import type { Socket } from "engine.io";
import { MAX_BATCH } from "./contender.js";

/** A client that gets its messages in batches, the next one when it has acknowledged the last: no notes, no positions, no checks. */
export class RawClient {
  readonly #socket: Socket;
  #queue: string[] = [];
  #batches = 0;
  #isUnderWay = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("message", () => {
      this.#isUnderWay = false;
      this.#flush();
    });
  }

  /** @param body a message as JSON */
  push(body: string): void {
    this.#queue.push(body);
    this.#flush();
  }

  #flush(): void {
    if (this.#isUnderWay || this.#queue.length === 0) return;
    this.#isUnderWay = true;
    const bodies = this.#queue.splice(0, MAX_BATCH).join(",");
    this.#socket.send(`{"jsonrpc":"2.0","id":"${++this.#batches}","method":"publish","params":[${bodies}]}`);
  }
}
