import { createHash } from "node:crypto";
import { freemem, networkInterfaces, totalmem } from "node:os";
import { Periodic } from "../../../periodic.js";
import type { ServerRegistry, SubscriberStore } from "../../../types.js";

/** What a broker has done. */
interface Counts {
  producerMessages: number;
  consumerMessages: number;
  consumers: number;
  online: number;
}

interface BrokerStatsOptions {
  sid: string;
  stype: string;
  store: SubscriberStore;
  registry: ServerRegistry;
  /** How many consumers are connected. */
  online: () => number;
  report: (error: unknown) => void;
}

/** How often a broker tells the others, and for how long that is known, in milliseconds. */
const TELL_MS = 2000;
const KEEP_MS = 60_000;

/** Counts what brokers do, each for itself: together they are those that are alive. */
export class BrokerStats {
  readonly #options: BrokerStatsOptions;
  readonly #counts: Counts = { producerMessages: 0, consumerMessages: 0, consumers: 0, online: 0 };
  readonly #telling: Periodic;

  constructor(options: BrokerStatsOptions) {
    this.#options = options;
    this.#telling = new Periodic(() => this.#tell(), TELL_MS, options.report);
  }

  start(): void {
    this.#telling.start();
  }

  stop(): Promise<void> {
    return this.#telling.stop();
  }

  published(count: number): void {
    this.#counts.producerMessages += count;
  }

  delivered(count: number): void {
    this.#counts.consumerMessages += count;
  }

  connected(): void {
    this.#counts.consumers++;
  }

  /** What brokers have done, and what they have. */
  async read(): Promise<object> {
    await this.#tell();
    const { registry, stype } = this.#options;
    const brokers = (await registry.list()).filter((frontend) => frontend.stype === stype);
    const all = await Promise.all(brokers.map(async ({ sid }) => [sid, await this.#countsOf(sid)] as const));
    const sum = (of: keyof Counts): number => all.reduce((total, [, counts]) => total + (counts?.[of] ?? 0), 0);
    const addresses = Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? []);
    return {
      net: addresses,
      serverId: createHash("sha256").update(addresses.join()).digest("hex").slice(0, 32),
      mem: { free: megabytes(freemem()), total: megabytes(totalmem()) },
      stats: {
        total: {
          producerMessages: String(sum("producerMessages")),
          consumerMessages: String(sum("consumerMessages")),
          consumers: String(sum("consumers")),
        },
        online: sum("online"),
        current: Object.fromEntries(all.map(([sid, counts]) => [sid, String(counts?.online ?? 0)])),
      },
    };
  }

  async #tell(): Promise<void> {
    const { store, sid, online } = this.#options;
    this.#counts.online = online();
    await store.save(idOf(sid), [], JSON.stringify(this.#counts), KEEP_MS);
  }

  async #countsOf(sid: string): Promise<Counts | undefined> {
    const kept = await this.#options.store.read(idOf(sid));
    return kept?.note === undefined ? undefined : (JSON.parse(kept.note) as Counts);
  }
}

/** No consumer's id has a colon. */
function idOf(sid: string): string {
  return `stats:${sid}`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(2)} MB`;
}
