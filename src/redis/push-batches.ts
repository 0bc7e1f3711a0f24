import { Bound } from "../bound.js";
import type { Exchange } from "../transports/redis/exchange.js";
import type { RedisTransport } from "../transports/redis/transport.js";
import { encodeFusedPush, withoutAnswer } from "../transports/redis/wire.js";
import type { Appended, ChannelPush, SentPush } from "../types.js";
import type { SendQueue } from "./send-queue.js";
import { type Place, sentPush, withCounts } from "./sent-push.js";

/** To how many channels a push of one script may go. */
export const MAX_NAMES = 100;
/**
 * How many pushes, how many channels in all of them, and how many characters of their bodies, go together: keeps what Redis does in
 * one step below a few milliseconds. So does the limit of channels times frontends, as far as the last batches have told how many
 * those are.
 */
const MAX_BATCH = 100;
const MAX_BATCH_LENGTH = 262_144;
const MAX_ENTRIES = 1000;
/**
 * How much may wait for Redis, in characters: of each push its body, and about what it takes besides. A push that is given up at its
 * deadline still waits with those that it went with.
 */
const MAX_WAITING_LENGTH = 128 * 1024 * 1024;
const OVERHEAD = 500;

/** A push that is sent now: the id of its request, and which of the names of its batch are its channels, as indices. */
export interface EnteredPush {
  readonly push: ChannelPush;
  readonly id: number;
  readonly channels: readonly number[];
}

/** As frontends get it. */
export function textOf({ id, channels, push }: EnteredPush): string {
  return encodeFusedPush(id, channels, push);
}

/** Where pushes have gone. */
interface SentBatch {
  places: Place[];
  /** Of those with a record, in the order in which they were entered, what became of that. */
  appended?: readonly Appended[];
}

/**
 * Sends pushes to the live frontends of a type that have members of these channels, one message to each.
 * @param enter gives the pushes, once, when they are sent at once
 */
export type SendPushes = (stype: string, names: readonly string[], enter: () => EnteredPush[]) => Promise<SentBatch>;

/** A push that is to be sent. */
interface QueuedPush {
  push: ChannelPush;
  exchange: Exchange;
  resolve: (sent: SentPush) => void;
  reject: (error: unknown) => void;
}

/** Pushes to one type of frontends that go together. */
interface Batch {
  stype: string;
  send: () => Promise<void>;
  pushes: QueuedPush[];
  names: Set<string>;
  length: number;
}

/** How much waits, of a process. */
export function boundOfWaiting(source: object): Bound {
  return new Bound({
    source,
    queue: "redis",
    limit: MAX_WAITING_LENGTH,
    what: "pushes that wait for Redis, in characters",
  });
}

interface PushBatchesOptions {
  queue: SendQueue;
  transport: RedisTransport;
  waiting: Bound;
  send: SendPushes;
}

/**
 * Gathers the pushes that are called for within a tick, or while others are under way, and sends them together, in the order of the
 * calls.
 */
export class PushBatches {
  readonly #options: PushBatchesOptions;
  #batch: Batch | undefined;
  /** How many a message goes to: the most of late, since some channels are at few. */
  #frontends = 1;

  constructor(options: PushBatchesOptions) {
    this.#options = options;
  }

  push(push: ChannelPush): Promise<SentPush> {
    const { transport, waiting } = this.#options;
    return new Promise((resolve, reject) => {
      waiting.check(push.body.length + OVERHEAD);
      const exchange = transport.openExchange(push.timeoutMs, reject);
      this.#enqueue({ push, exchange, resolve, reject });
    });
  }

  #enqueue(queued: QueuedPush): void {
    const { queue, waiting } = this.#options;
    const { stype, names, body } = queued.push;
    let batch = this.#batch;
    if (batch?.stype !== stype || !queue.isLast(batch.send) || !this.#hasRoom(batch, names)) {
      batch = this.#batch = this.#openBatch(stype);
    }
    batch.pushes.push(queued);
    for (const name of names) batch.names.add(name);
    batch.length += body.length;
    waiting.add(body.length + OVERHEAD);
    if (batch.pushes.length >= MAX_BATCH || batch.length >= MAX_BATCH_LENGTH) queue.flush();
  }

  #hasRoom(batch: Batch, names: readonly string[]): boolean {
    const more = names.filter((name) => !batch.names.has(name)).length;
    return more === 0 || batch.names.size + more <= Math.min(MAX_NAMES, MAX_ENTRIES / this.#frontends);
  }

  #openBatch(stype: string): Batch {
    const batch: Batch = { stype, send: () => this.#sendBatch(batch), pushes: [], names: new Set(), length: 0 };
    this.#options.queue.defer(batch.send);
    return batch;
  }

  /** Resolves when Redis has answered. */
  async #sendBatch(batch: Batch): Promise<void> {
    const { transport, waiting, send } = this.#options;
    const indices = new Map<string, number>();
    const waitingPushes = batch.pushes.filter(({ exchange }) => !exchange.isOver);
    const channelsOf = new Map(
      waitingPushes.map((queued) => [queued, queued.push.names.map((name) => indexOf(indices, name))]),
    );
    const entered: QueuedPush[] = [];
    const enter = (): EnteredPush[] =>
      // What has waited too long has failed: nothing of it is sent.
      [...channelsOf]
        .filter(([{ exchange }]) => !exchange.isOver)
        .map(([queued, channels]) => {
          entered.push(queued);
          const { push, exchange } = queued;
          push.sending?.();
          const id = transport.enter(exchange);
          return { push, id: push.ack ? id : withoutAnswer(id), channels };
        });
    let places: Place[] = [];
    try {
      if (waitingPushes.length === 0) return;
      const sent = await send(batch.stype, [...indices.keys()], enter);
      places = sent.places;
      this.#frontends = Math.max(1, places.length, this.#frontends - 1);
      const counted = places.map(withCounts);
      const appended = new Map(entered.map((queued, n) => [queued, sent.appended?.[n]]));
      for (const [queued, channels] of channelsOf) {
        const { push, exchange, resolve } = queued;
        resolve(sentPush(counted, channels, push, exchange, transport, appended.get(queued)));
      }
    } catch (error) {
      for (const { exchange, reject } of waitingPushes) {
        exchange.cancel();
        reject(error);
      }
    } finally {
      // What waits for an inbox waits, too.
      const release = (): void => waiting.remove(batch.length + batch.pushes.length * OVERHEAD);
      const underWay = places.flatMap(({ receivers }) => (typeof receivers === "number" ? [] : [receivers]));
      if (underWay.length === 0) release();
      else void Promise.allSettled(underWay).then(release);
    }
  }
}

/** The place of a name among those that are known, maybe the next one. */
function indexOf(indices: Map<string, number>, name: string): number {
  let index = indices.get(name);
  if (index === undefined) indices.set(name, (index = indices.size));
  return index;
}
