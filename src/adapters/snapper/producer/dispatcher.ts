import { setTimeout as sleep } from "node:timers/promises";
import { type GlobalChannelError, isTemporary } from "../../../errors.js";
import type { Backlog } from "./backlog.js";
import { backoff } from "./backoff.js";
import { Batch, type Settlers } from "./batch.js";
import type { BrokerClient } from "./broker-client.js";
import { TimedRequest } from "./timed-request.js";

export interface DispatcherOptions {
  client: BrokerClient;
  backlog: Backlog;
  /** How much goes into one batch, in bytes. */
  maxBatchBytes: number;
  /** How long a request may take, in milliseconds. */
  timeoutMs: number;
  /** The longest pause before a batch is sent again that the broker could not take, in milliseconds. */
  maxRetryDelayMs: number;
  /** The broker has refused a batch of that many messages: for now, told once, or for good. */
  refused: (error: GlobalChannelError, messages: number) => void;
}

/**
 * Sends messages and requests in the order of the calls: messages in batches, one of which is under way at a time; a request at its turn,
 * without waiting for answers, as a broker does what comes over one connection in that order.
 */
export class Dispatcher {
  readonly #options: DispatcherOptions;
  /** What waits for its turn; a batch at the end may get more. */
  readonly #queue: (Batch | TimedRequest)[] = [];
  readonly #closing = new AbortController();
  #underWay: Batch | undefined;
  #isScheduled = false;

  constructor(options: DispatcherOptions) {
    this.#options = options;
  }

  /**
   * @param json `[room, message]`
   * @throws `GC_OVERLOADED` it was not taken
   */
  publish(json: string, settlers?: Settlers): void {
    const { backlog, maxBatchBytes } = this.#options;
    const bytes = Buffer.byteLength(json);
    backlog.add(bytes);
    let batch = this.#queue.at(-1);
    if (!(batch instanceof Batch && batch.hasRoomFor(bytes))) {
      batch = new Batch(backlog, maxBatchBytes);
      this.#queue.push(batch);
    }
    batch.add(json, { bytes, settlers });
    this.#wake();
  }

  /** Rejects with `GC_OVERLOADED`, too. See {@link TimedRequest.result}. */
  async request(method: string, paramsJson: string): Promise<unknown> {
    const { client, backlog, timeoutMs } = this.#options;
    const bytes = Buffer.byteLength(paramsJson);
    backlog.add(bytes);
    const request = new TimedRequest({
      client,
      method,
      paramsJson,
      timeoutMs,
      settled: (settled) => {
        this.#remove(settled);
        backlog.remove(bytes);
      },
    });
    this.#queue.push(request);
    this.#wake();
    return request.result;
  }

  /** Sends nothing more: what waits fails with this. What is under way is the client's to fail. */
  close(error: GlobalChannelError): void {
    this.#closing.abort(error);
    for (const waiting of this.#queue.splice(0)) {
      if (waiting instanceof Batch) waiting.settle(error);
      else waiting.fail(error);
    }
  }

  /** What comes in the same tick goes into the same batch. */
  #wake(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    for (let first = this.#queue[0]; first; first = this.#queue[0]) {
      if (first instanceof TimedRequest) {
        first.send();
      } else {
        if (this.#underWay) return;
        this.#underWay = first;
        void this.#deliver(first);
      }
      this.#queue.shift();
    }
  }

  /** Until the broker has confirmed it or refused it for good, always under the same id: a broker that has done it does it no more. */
  async #deliver(batch: Batch): Promise<void> {
    const { client, maxRetryDelayMs, refused } = this.#options;
    const id = client.newId();
    const { paramsJson } = batch;
    const { signal } = this.#closing;
    let error: GlobalChannelError | undefined;
    for (let attempt = 1; ; attempt++) {
      error = await client.call("publish", paramsJson, id).answer.then(() => undefined, asIs);
      if (!error || error.code === "GC_CLOSED") break;
      const isFinal = !isTemporary(error);
      if (isFinal || attempt === 1) refused(error, batch.size);
      if (isFinal) break;
      await sleep(backoff(attempt, maxRetryDelayMs), undefined, { signal }).catch(() => {});
      if (signal.aborted) {
        error = signal.reason as GlobalChannelError;
        break;
      }
    }
    this.#underWay = undefined;
    batch.settle(error);
    this.#pump();
  }

  #remove(request: TimedRequest): void {
    const index = this.#queue.indexOf(request);
    if (index !== -1) this.#queue.splice(index, 1);
  }
}

function asIs(error: GlobalChannelError): GlobalChannelError {
  return error;
}
