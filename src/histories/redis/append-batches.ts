import type { RedisConnection } from "../../redis/connection.js";
import type { Keys } from "../../redis/keys.js";
import { replyError } from "../../redis/store-error.js";
import type { HistoryEntry, HistoryLimits } from "../../types.js";
import { appendMessages, FAILED, limitText } from "./scripts.js";

/**
 * How many appends, how many channels in all of them, and how many characters of them, go together: keeps what Redis does in one
 * step below a few milliseconds.
 */
const MAX_APPENDS = 100;
const MAX_CHANNELS = 200;
const MAX_LENGTH = 262_144;

/** A message for channels of one partition. */
export interface PartAppend {
  /** Where it is known of a push with an idempotency key that it was done; undefined: it has none. */
  mark: string | undefined;
  entry: Pick<HistoryEntry, "stype" | "body" | "id">;
  /** What is kept besides; a promise where that depends on what becomes of it in another partition. */
  text: string | Promise<string>;
  channels: readonly { name: string; limits: HistoryLimits | undefined }[];
}

interface Pending {
  append: PartAppend;
  resolve: (answer: string) => void;
  reject: (error: unknown) => void;
}

/** Appends that go together. */
interface Batch {
  appends: Pending[];
  channels: number;
  length: number;
  send: () => Promise<void>;
}

/**
 * Sends the appends to one partition together that are called for within a tick, or while others are under way, in the order of the
 * calls.
 */
export class AppendBatches {
  readonly #connection: RedisConnection;
  readonly #keys: Keys;
  #batch: Batch | undefined;

  constructor(connection: RedisConnection, keys: Keys) {
    this.#connection = connection;
    this.#keys = keys;
  }

  /** Resolves what {@link appendMessages} answers. */
  append(append: PartAppend): Promise<string> {
    // It may fail before anyone waits for it.
    if (typeof append.text !== "string") append.text.catch(() => {});
    return new Promise((resolve, reject) => {
      const batch = this.#batchFor(append);
      batch.appends.push({ append, resolve, reject });
      batch.channels += append.channels.length;
      batch.length += lengthOf(append);
    });
  }

  #batchFor(append: PartAppend): Batch {
    const { text, channels } = append;
    const queue = this.#connection.queueOf(this.#keys);
    const last = this.#batch;
    const hasRoom =
      last !== undefined &&
      last.appends.length < MAX_APPENDS &&
      last.channels + channels.length <= MAX_CHANNELS &&
      last.length + lengthOf(append) <= MAX_LENGTH;
    // One that waits for another partition is the first of its batch: so a batch waits only for what was called for before it began, and no
    // two for each other.
    if (hasRoom && typeof text === "string" && queue.isLast(last.send)) return last;
    const batch: Batch = { appends: [], channels: 0, length: 0, send: () => this.#send(batch.appends) };
    this.#batch = batch;
    queue.defer(batch.send);
    return batch;
  }

  async #send(appends: readonly Pending[]): Promise<void> {
    const [first, ...others] = appends;
    const { text } = first!.append;
    try {
      // It keeps its turn meanwhile.
      await this.#connection.inTurn(this.#keys, () =>
        typeof text === "string"
          ? this.#run(appends)
          : text.then(
              (known) => this.#run([{ ...first!, append: { ...first!.append, text: known } }, ...others]),
              (error: unknown) => {
                first!.reject(error);
                return this.#run(others);
              },
            ),
      );
    } catch (error) {
      for (const { reject } of appends) reject(error);
    }
  }

  async #run(appends: readonly Pending[]): Promise<void> {
    if (appends.length === 0) return;
    const keys: string[] = [];
    const args: (string | number)[] = [];
    for (const { append } of appends) {
      const { mark, entry, text, channels } = append;
      keys.push(mark ?? this.#keys.nothing);
      for (const { name, limits } of channels) {
        if (limits) keys.push(this.#keys.history(name), this.#keys.messages(name));
      }
      const limits = channels.map((channel) => limitText(channel.limits)).join(",");
      args.push(mark === undefined ? 0 : 1, entry.id ?? "", entry.stype, text as string, entry.body, limits);
    }
    const answers = await this.#connection.read<string[]>(this.#keys, appendMessages, keys, args);
    for (const [index, { resolve, reject }] of appends.entries()) {
      const answer = answers[index]!;
      if (answer.startsWith(FAILED)) reject(replyError(answer.slice(FAILED.length)));
      else resolve(answer);
    }
  }
}

function lengthOf({ text, entry }: PartAppend): number {
  return entry.body.length + (typeof text === "string" ? text.length : 0);
}
