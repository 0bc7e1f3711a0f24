import { setTimeout as sleep } from "node:timers/promises";
import { type EntriesAfter, NO_EPOCH, readAfter } from "../read-after.js";
import { readRest } from "../read-rest.js";
import { SharedReads } from "../shared-reads.js";
import type {
  ChannelHistory,
  ClientMessage,
  Cluster,
  HistoryPosition,
  HistoryReader,
  KeptEntry,
  Recovered,
} from "../types.js";

interface FrontendHistoryOptions {
  cluster: Cluster;
  history: ChannelHistory;
  sid: string;
  stype: string;
  /** Resolves when every push that has arrived is handed to the connector. */
  delivered: () => Promise<void>;
}

/** For how long a push may not be sent after its message was kept, where that is not one step, in milliseconds: its deadline. */
const SETTLE_MS = 5000;
/** How many messages are read at once. */
const PAGE = 200;

/** All who wait for pushes that are on their way wait together. */
const ALL = "all";

/** Reads for the sessions of a frontend what they have missed: those that ask for the same at the same time share it. */
export class FrontendHistory implements HistoryReader {
  readonly #options: FrontendHistoryOptions;
  readonly #pages: SharedReads<EntriesAfter>;
  readonly #rests: SharedReads<EntriesAfter>;
  readonly #ends: SharedReads<HistoryPosition | undefined>;
  readonly #settling: SharedReads<void>;

  constructor(options: FrontendHistoryOptions) {
    this.#options = options;
    const { history } = options;
    const reads = (read: typeof readAfter) =>
      new SharedReads((key) => {
        const [name, epoch, offset] = JSON.parse(key) as [string, string, number];
        return read(history, name, { epoch, offset }, PAGE);
      });
    this.#pages = reads(readAfter);
    this.#rests = reads(readRest);
    this.#ends = new SharedReads(async (name) => (await history.positions([name]))[0]);
    this.#settling = new SharedReads(() => this.#settle());
  }

  keeps(name: string): boolean {
    return this.#options.history.limitsOf(name) !== undefined;
  }

  recover(uid: string, name: string, since: HistoryPosition): Promise<Recovered> {
    return this.#recover(this.#pages, uid, name, since);
  }

  recoverRest(uid: string, name: string, since: HistoryPosition): Promise<Recovered> {
    return this.#recover(this.#rests, uid, name, since);
  }

  async #recover(
    pages: SharedReads<EntriesAfter>,
    uid: string,
    name: string,
    { epoch, offset }: HistoryPosition,
  ): Promise<Recovered> {
    const { entries, position, hasMore, gap } = await pages.read(JSON.stringify([name, epoch, offset]));
    const mine = entries.filter(({ stype, except }) => stype === this.#options.stype && !except.includes(uid));
    return {
      position: position ?? (await this.#ends.read(name)) ?? { epoch: NO_EPOCH, offset: 0 },
      messages: mine.map((entry) => toMessage(name, position!.epoch, entry)),
      hasMore,
      hasGap: gap !== undefined,
    };
  }

  async settledPosition(name: string): Promise<HistoryPosition | undefined> {
    const position = await this.#ends.read(name);
    if (position) await this.#settling.read(ALL);
    return position;
  }

  /** Resolves when every push is delivered whose message was kept before, to those who were members. */
  async #settle(): Promise<void> {
    const { cluster, history, sid, delivered } = this.#options;
    const isOneStep = cluster.fusedPush?.history === history || history.appendsAtOnce;
    if (!isOneStep) await sleep(SETTLE_MS, undefined, { ref: false });
    await cluster.transport.settled?.(sid);
    await delivered();
  }
}

function toMessage(name: string, epoch: string, { route, body, offset, id, at, names }: KeptEntry): ClientMessage {
  return { route, body, positions: [{ name, epoch, offset }], id, at, ...(id !== undefined && { names }) };
}
