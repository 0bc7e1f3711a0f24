import { checkInteger, checkName, invalid } from "../arguments.js";
import { GlobalChannelError } from "../errors.js";
import { findGap, type HistoryGap, readAfter } from "../read-after.js";
import { aBoolean, optional, resolveOptions } from "../options.js";
import type { ChannelHistory, HistoryPosition, KeptEntry } from "../types.js";

/** A message that was pushed to a channel, as its history has it. */
export interface HistoryMessage {
  offset: number;
  /** When it was pushed, in milliseconds since 1970 with fractions, on the clock of the store. */
  at: number;
  /** The type of frontends that it was for. */
  stype: string;
  route: string;
  msg: unknown;
  /** The uids that were left out. */
  except: readonly string[];
}

/** A part of a channel's history. */
export interface HistoryResult {
  messages: HistoryMessage[];
  /** Where the history ends; undefined: nothing is kept of this channel. */
  position: HistoryPosition | undefined;
  /** Why messages after `since` are missing here, if they are. */
  gap?: HistoryGap;
}

export interface HistoryOptions {
  /** Only the messages after this position. @default all that are kept */
  since?: HistoryPosition;
  /** How many messages at most, 1 to 10,000. @default 100 */
  limit?: number;
  /** The newest first. @default false */
  reverse?: boolean;
}

/** How many messages are read at once. */
const PAGE = 500;

/** Reads what was pushed lately. */
export class HistoryQueries {
  readonly #history: ChannelHistory | undefined;

  constructor(history: ChannelHistory | undefined) {
    this.#history = history;
  }

  async list(channel: string, options: HistoryOptions): Promise<HistoryResult> {
    const name = checkName("name", channel);
    const { since, limit, reverse } = resolveOptions("history", options, {
      since: optional(checkPosition),
      limit: (option, value = 100) => checkInteger(option, value, { min: 1, max: 10_000 }),
      reverse: aBoolean(false),
    });
    const history = this.#require("history");
    const entries: KeptEntry[] = [];
    let [after, until] = [since?.offset ?? 0, undefined as number | undefined];
    let end: HistoryPosition | undefined;
    for (;;) {
      const range = { after, until, limit: Math.min(PAGE, limit - entries.length), reverse };
      const page = await history.read(name, range);
      // What begins meanwhile has nothing to do with what was read before.
      if (end && page.position?.epoch !== end.epoch) break;
      end ??= page.position;
      // So that it ends where it says.
      until ??= end?.offset;
      // Others had to make room, or were kept for long enough, since the last part: what follows is all that is kept by now.
      if (!reverse && entries.length > 0 && page.entries[0]?.offset !== after + 1) entries.length = 0;
      entries.push(...page.entries);
      const last = page.entries.at(-1);
      if (!last || entries.length >= limit) break;
      if (reverse) until = last.offset - 1;
      else after = last.offset;
      if (after >= until!) break;
    }
    const gap = since && this.#gapIn(entries, since, end, { reverse, limit });
    return { messages: gap === "epoch" ? [] : entries.map(decode), position: end, ...(gap && { gap }) };
  }

  async recover(channel: string, position: HistoryPosition): Promise<HistoryResult> {
    const name = checkName("name", channel);
    let since = checkPosition("position", position);
    const history = this.#require("recover");
    const messages: HistoryMessage[] = [];
    for (;;) {
      const read = await readAfter(history, name, since, PAGE);
      if (read.gap) return { messages: [], position: read.position, gap: read.gap };
      messages.push(...read.entries.map(decode));
      if (!read.hasMore) return { messages, position: read.position };
      since = read.position!;
    }
  }

  /** Forgets what a channel has had, where anything is kept. */
  async remove(name: string): Promise<void> {
    await this.#history?.remove(name);
  }

  #gapIn(
    entries: readonly KeptEntry[],
    since: HistoryPosition,
    end: HistoryPosition | undefined,
    { reverse, limit }: { reverse: boolean; limit: number },
  ): HistoryGap | undefined {
    // Those before the last of a full list were not asked for.
    const isCut = reverse && entries.length >= limit;
    const first = reverse ? entries.at(-1) : entries[0];
    return findGap(since, end, isCut && first ? { ...first, offset: since.offset + 1 } : first);
  }

  #require(method: string): ChannelHistory {
    if (this.#history) return this.#history;
    throw new GlobalChannelError("GC_UNSUPPORTED", `${method} needs a cluster with a history`);
  }
}

function decode({ offset, at, stype, route, body, except }: KeptEntry): HistoryMessage {
  return { offset, at, stype, route, msg: JSON.parse(body) as unknown, except };
}

/** A position, or that of a report, which names its channel, too. @throws `GC_INVALID_ARGUMENT` */
function checkPosition(argument: string, value: unknown): HistoryPosition {
  if (typeof value !== "object" || value === null) throw invalid(argument, value, "a position: its epoch and offset");
  const { epoch, offset } = value as Partial<HistoryPosition>;
  return {
    epoch: checkName(`${argument}.epoch`, epoch),
    offset: checkInteger(`${argument}.offset`, offset, { min: 0, max: Number.MAX_SAFE_INTEGER }),
  };
}
