import type { RedisTransport } from "../transports/redis/transport.js";
import { encodeFusedPushes } from "../transports/redis/wire.js";
import { Turnstile } from "../turnstile.js";
import type { RedisConnection } from "./connection.js";
import { type Keys, unescape } from "./keys.js";
import { byPartition } from "./layout.js";
import { LiveFrontends } from "./live-frontends.js";
import { type SendPushes, textOf } from "./push-batches.js";
import { NONE, type Place } from "./sent-push.js";

/**
 * Pushes on a Redis Cluster, where no script sees both the channels' sets and the inboxes: the sets are read in one round trip, and
 * the messages sent in the next.
 */
export class ClusterPush {
  readonly #connection: RedisConnection;
  readonly #transport: RedisTransport;
  readonly #frontends: LiveFrontends;
  /** Reads of different batches may take different times. */
  readonly #turnstile = new Turnstile<Keys>();

  constructor(connection: RedisConnection, transport: RedisTransport) {
    this.#connection = connection;
    this.#transport = transport;
    this.#frontends = new LiveFrontends(connection);
  }

  /** What was called for before, to a channel of the same partitions, is sent before. */
  send(...[stype, names, enter]: Parameters<SendPushes>): ReturnType<SendPushes> {
    const partitions = [...byPartition(this.#connection.layout, names, (name) => name).keys()];
    return this.#turnstile.pass(partitions, this.#read(stype, names), ({ bySid, live }) => {
      const pushes = enter().map((entered) => ({ channels: entered.channels, text: textOf(entered) }));
      const places = live.flatMap((sid): Place[] => {
        const entries = bySid.get(sid)!;
        const texts = textsFor(entries, pushes);
        // All of them have been waiting for too long.
        if (texts.length === 0) return [];
        const receivers = this.#transport.sendTo(sid, encodeFusedPushes(entries, this.#transport.id, texts));
        // Where nobody listens to what becomes of a push any more.
        receivers.catch(() => {});
        return [{ sid, entries, receivers }];
      });
      return { places };
    });
  }

  async #read(stype: string, names: readonly string[]): Promise<{ bySid: Map<string, string[]>; live: string[] }> {
    const { layout } = this.#connection;
    const [sets] = await Promise.all([
      Promise.all(
        names.map((name) => this.#connection.command((client) => client.hgetall(layout.of(name).sets(name)))),
      ),
      // At the same time: mostly it holds all who are asked for below.
      this.#frontends.know(),
    ]);
    const bySid = entriesBySid(sets);
    return { bySid, live: await this.#frontends.ofType(stype, [...bySid.keys()]) };
  }
}

/** Of each frontend its entry in each set. */
function entriesBySid(sets: readonly Record<string, string>[]): Map<string, string[]> {
  const bySid = new Map<string, string[]>();
  for (const [index, set] of sets.entries()) {
    for (const [escapedSid, entry] of Object.entries(set)) {
      const sid = unescape(escapedSid);
      let entries = bySid.get(sid);
      if (!entries) bySid.set(sid, (entries = sets.map(() => NONE)));
      entries[index] = entry;
    }
  }
  return bySid;
}

/** The pushes to channels that have members there. */
function textsFor(
  entries: readonly string[],
  pushes: readonly { channels: readonly number[]; text: string }[],
): string[] {
  return pushes.filter(({ channels }) => channels.some((channel) => entries[channel] !== NONE)).map(({ text }) => text);
}
