import type { Bound } from "../bound.js";
import { readAppended } from "../histories/redis/answers.js";
import { markOf } from "../histories/redis/mark.js";
import { limitText } from "../histories/redis/scripts.js";
import type { RedisTransport } from "../transports/redis/transport.js";
import type { ChannelHistory, ChannelPush, Cluster, FusedPush, SentPush } from "../types.js";
import { ClusterPush } from "./cluster-push.js";
import type { RedisConnection } from "./connection.js";
import { type Keys, unescape } from "./keys.js";
import { boundOfWaiting, type EnteredPush, MAX_NAMES, PushBatches, type SendPushes, textOf } from "./push-batches.js";
import { pushScript, recordScript } from "./push-scripts.js";
import { encodePushText } from "./push-text.js";
import { SendQueue } from "./send-queue.js";
import type { Place } from "./sent-push.js";

/**
 * One push, one round trip to a standalone Redis, whatever the number of frontends and members; the pushes that are called for
 * within a tick, or while others are under way, share it, and each frontend gets them in one message. On a Redis Cluster it is two,
 * which those of one partition share. See {@link FusedPush}.
 */
export class RedisFusedPush implements FusedPush {
  readonly parts: FusedPush["parts"];
  readonly history: ChannelHistory | undefined;
  readonly maxNames: number;
  readonly #connection: RedisConnection;
  readonly #transport: RedisTransport;
  readonly #send: SendPushes;
  readonly #batches = new Map<SendQueue, PushBatches>();
  /** Of one Redis: those with a record. */
  readonly #recorded: PushBatches | undefined;
  /** Of a cluster: those to channels of several partitions, each alone. */
  readonly #alone = new SendQueue(() => false);
  readonly #waiting: Bound = boundOfWaiting(this);

  constructor(
    connection: RedisConnection,
    parts: Pick<Cluster, "manager" | "registry"> & { transport: RedisTransport },
    history?: ChannelHistory,
  ) {
    this.#connection = connection;
    this.#transport = parts.transport;
    this.parts = parts;
    this.maxNames = connection.isClustered ? Infinity : MAX_NAMES;
    const clusterPush = connection.isClustered ? new ClusterPush(connection, parts.transport) : undefined;
    this.#send = clusterPush
      ? (...batch) => clusterPush.send(...batch)
      : (...batch) => sendByScript(connection, parts.transport.id, ...batch);
    if (!connection.isClustered && history) {
      this.history = history;
      const [keys] = connection.layout.partitions;
      this.#recorded = this.#createBatches(connection.queueOf(keys!), (...batch) =>
        recordByScript(connection, parts.transport.id, ...batch),
      );
    }
  }

  push(push: ChannelPush): Promise<SentPush> {
    const { layout } = this.#connection;
    if (push.record && this.#recorded) return this.#recorded.push(push);
    const [first, ...others] = push.names.map((name) => layout.of(name));
    if (others.every((keys) => keys === first)) return this.#batchesIn(this.#connection.queueOf(first!)).push(push);
    // It comes after those to the same partitions that were called for before, and before those that are later.
    for (const keys of [first!, ...others]) this.#connection.queueOf(keys).flush();
    const pushed = this.#batchesIn(this.#alone).push(push);
    this.#alone.flush();
    return pushed;
  }

  #batchesIn(queue: SendQueue): PushBatches {
    let batches = this.#batches.get(queue);
    if (!batches) {
      batches = this.#createBatches(queue, this.#send);
      this.#batches.set(queue, batches);
    }
    return batches;
  }

  #createBatches(queue: SendQueue, send: SendPushes): PushBatches {
    return new PushBatches({ queue, transport: this.#transport, waiting: this.#waiting, send });
  }
}

async function sendByScript(
  connection: RedisConnection,
  from: string,
  ...[stype, names, enter]: Parameters<SendPushes>
): ReturnType<SendPushes> {
  const [keys] = connection.layout.partitions;
  const texts = enter().map(textOf);
  const answer = await connection.run<string>(
    pushScript,
    [keys!.servers, ...names.map((name) => keys!.sets(name))],
    [encodeURIComponent(stype), keys!.inboxPrefix, from, ...texts],
  );
  return { places: parsePlaces(answer, names.length) };
}

async function recordByScript(
  connection: RedisConnection,
  from: string,
  ...[stype, names, enter]: Parameters<SendPushes>
): ReturnType<SendPushes> {
  const [keys] = connection.layout.partitions;
  const pushes = enter();
  const [places, ...appended] = await connection.run<[string, ...string[]]>(
    recordScript,
    [keys!.servers, ...names.flatMap((name) => [keys!.sets(name), keys!.history(name), keys!.messages(name)])],
    [
      encodeURIComponent(stype),
      keys!.inboxPrefix,
      from,
      stype,
      ...pushes.flatMap((entered) => recordArguments(keys!, entered)),
    ],
  );
  return {
    places: parsePlaces(places, names.length),
    appended: appended.map((text, index) => readAppended(text, pushes[index]!.push.names)),
  };
}

function recordArguments(keys: Keys, { push, id, channels }: EnteredPush): (string | number)[] {
  const { limits, idempotencyKey } = push.record!;
  return [
    id,
    channels.join(","),
    limits.map(limitText).join(","),
    encodePushText(push),
    push.body,
    idempotencyKey === undefined ? "" : markOf(keys, push.names[0]!, push.names, idempotencyKey),
  ];
}

function parsePlaces(text: string, channels: number): Place[] {
  const words = text === "" ? [] : text.split(" ");
  const places: Place[] = [];
  for (let index = 0; index < words.length; index += 2 + channels) {
    const entries = words.slice(index + 2, index + 2 + channels);
    places.push({ sid: unescape(words[index]!), receivers: Number(words[index + 1]), entries });
  }
  return places;
}
