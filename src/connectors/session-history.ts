import { setTimeout as sleep } from "node:timers/promises";
import { NO_EPOCH } from "../read-after.js";
import { advance, type Cursor, hold, isAhead, isBeforeBegin, isNext, isReadyFor, positionIn } from "./cursor.js";
import { SeenMessages } from "./seen-messages.js";
import { Turns } from "../turns.js";
import type { ChannelPosition, ClientMessage, HistoryPosition, HistoryReader } from "../types.js";

/** Where a client is in a channel. */
export interface ClientPosition extends ChannelPosition {
  /** The ids of messages behind that which it has all the same, as messages of other channels. @default none */
  had?: readonly string[] | undefined;
}

/** Where a client says that it was, in its channels. */
export interface GivenPositions {
  positions: ReadonlyMap<string, Omit<ClientPosition, "name">>;
  /** There were more, and nobody knows which. @default false */
  isIncomplete?: boolean;
}

type PlacedMessage = ClientMessage & { positions: readonly ClientPosition[] };

/** What a connector does for a session that goes on where it was. */
export interface HistorySink {
  /**
   * Writes a message that was missed, whatever is unsent.
   * @param elsewhere where the client is now in other channels: with this message, which is one of theirs, too
   */
  write(message: PlacedMessage, elsewhere: readonly ClientPosition[]): void;
  /** The same of a live message: the session of a client that does not take what is unsent ends. @default `write` */
  writeLive?(message: PlacedMessage, elsewhere: readonly ClientPosition[]): void;
  /** Tells the client where a channel's history is for it now, and whether it has missed messages before that which are not kept. */
  tell(position: ClientPosition, hasGap: boolean): void;
  /** Resolves when the client has taken most of what was written, or is gone. */
  drained(): Promise<void>;
  /** All that was missed is written: what follows are live messages, until something is missed again. */
  caughtUp?(): void;
  error(error: unknown): void;
}

/**
 * What becomes of a live message: `write` it to the session; it is `late`, and to be written without its positions: the client was told
 * that it begins after it; it is `held`, and will come to the sink if the session lasts; or the session `had` it: before, or by the sink.
 */
export type Admission = "write" | "late" | "held" | "had";

/** How many channels are kept in mind of which the user is no member any more. */
const MAX_LEFT = 1000;
/** How many channels are read at the same time: each gives the client a part of what it has missed before it waits for it. */
const LANES = 8;
/** How long to wait before a read that has failed is tried again: at first, and at most, in milliseconds. */
const [FIRST_RETRY_MS, LAST_RETRY_MS] = [50, 2000];

/**
 * Gives one session every message of its channels that keep history once and in order, or tells it of a gap: those that it has missed
 * while it was away, those that were lost on the way to the frontend, and those that came while it was being read what it has missed.
 *
 * It knows where the session is in each channel. A live message is written where it is the next one; where it is not, what is between is
 * read from the history. So a session that comes back with positions is the same as one that has missed something.
 */
export class SessionHistory {
  readonly #uid: string;
  readonly #reader: Omit<HistoryReader, "recoverRest">;
  readonly #sink: HistorySink;
  /** Where the client was when it came, of channels that it has not joined yet. */
  readonly #given: Map<string, HistoryPosition>;
  readonly #isIncomplete: boolean;
  readonly #cursors = new Map<string, Cursor>();
  readonly #seen = new SeenMessages();
  /** How many channels are being read, or wait for that. */
  #reads = 0;
  readonly #lanes = new Turns<number>();
  #lane = 0;
  #isClosed = false;

  constructor(uid: string, reader: Omit<HistoryReader, "recoverRest">, sink: HistorySink, given: GivenPositions) {
    this.#uid = uid;
    this.#reader = reader;
    this.#sink = sink;
    this.#given = new Map();
    for (const [name, { epoch, offset, had = [] }] of given.positions) {
      this.#given.set(name, { epoch, offset });
      this.#seen.addGiven(name, had);
    }
    this.#isIncomplete = given.isIncomplete ?? false;
  }

  /** Where the session is, in each channel where that is known. */
  *positions(): Generator<ClientPosition> {
    for (const [name, position] of this.#given) yield this.#seen.tellable({ name, ...position });
    for (const [name, { position }] of this.#cursors) if (position) yield this.#seen.tellable({ name, ...position });
  }

  /** The client says, or somebody for it, where it is in a channel that it is to join. */
  expect({ name, epoch, offset }: ChannelPosition): void {
    if (!this.#cursors.has(name)) this.#given.set(name, { epoch, offset });
  }

  /** It is to join a channel, and to get what comes after this alone, wherever it was when it was a member before. */
  beginAt({ name, epoch, offset }: ChannelPosition): void {
    // Whoever reads for it sees that it is another one.
    this.#cursors.delete(name);
    this.#given.set(name, { epoch, offset });
  }

  /** Whether something is being read that it has missed. */
  get isCatchingUp(): boolean {
    return this.#reads > 0;
  }

  /** The user is a member of the channel from now on, or was one when the session opened. */
  joined(name: string): void {
    const cursor = this.#cursors.get(name);
    if (cursor?.isMember) return;
    const position = cursor?.position ?? this.#given.get(name);
    this.#given.delete(name);
    // Of one that was given and is not known here, it has to be asked.
    if (!position && !this.#isIncomplete && !this.#reader.keeps(name)) {
      this.#cursors.delete(name);
      return;
    }
    const joined = this.#begin(name, position);
    if (position) void this.#read(name, joined);
    else void this.#settle(name, joined);
  }

  /** It is none any more. If it joins again, the session goes on where it was. */
  left(name: string): void {
    const cursor = this.#cursors.get(name);
    if (!cursor) return;
    // Whoever reads for it sees that it is another one.
    this.#cursors.delete(name);
    this.#cursors.set(name, { ...cursor, isMember: false, isReading: false, held: [], hasOverflowed: false });
    if (this.#cursors.size > MAX_LEFT) this.#forgetLeft();
  }

  /** Live messages may have been lost on their way here. */
  lookForMissed(): void {
    for (const [name, cursor] of this.#cursors) if (cursor.isMember) this.#readToo(name, cursor);
  }

  /** Of a live message that has positions. */
  admit(message: ClientMessage): Admission {
    const { positions = [], id, names = [] } = message;
    if (id !== undefined && positions.some(({ name }) => this.#seen.has(name, id))) {
      this.#seen.add(id, names);
      for (const position of positions) {
        if (this.#pass(position, id)) this.#sink.tell(this.#seen.tellable(position), false);
      }
      return "had";
    }
    const [first, ...others] = positions;
    if (!first) return "write";
    if (others.length === 0) return this.#admitTo(this.#cursorOf(first.name), first, message);
    // As it has begun after it in all of them, none of their histories would bring it.
    if (id !== undefined && positions.every((one) => isBeforeBegin(this.#cursorOf(one.name), one))) {
      this.#seen.add(id, names);
      return "late";
    }
    // One to several channels is written where it is the next one in all of them; else it comes out of their histories.
    if (positions.every((position) => isReadyFor(this.#cursorOf(position.name), position))) {
      for (const position of positions) this.#pass(position, id);
      return this.#admitNext(message);
    }
    for (const { name } of positions) this.#readToo(name, this.#cursorOf(name));
    return "held";
  }

  close(): void {
    this.#isClosed = true;
    this.#cursors.clear();
  }

  #begin(name: string, position: HistoryPosition | undefined): Cursor {
    const cursor = { position, isFloor: false, isMember: true, isReading: false, held: [], hasOverflowed: false };
    if (!position) this.#seen.begin(name);
    this.#cursors.delete(name);
    this.#cursors.set(name, cursor);
    return cursor;
  }

  /** Of a channel that nobody has told of, its first message does. */
  #cursorOf(name: string): Cursor {
    const cursor = this.#cursors.get(name);
    if (cursor) return cursor;
    const position = this.#given.get(name);
    this.#given.delete(name);
    return this.#begin(name, position);
  }

  #admitTo(cursor: Cursor, position: ChannelPosition, message: ClientMessage): Admission {
    if (cursor.isReading) {
      hold(cursor, message);
      return "held";
    }
    if (isNext(cursor, position)) {
      advance(cursor, position);
      return this.#admitNext(message);
    }
    if (!isAhead(cursor, position)) return cursor.isFloor ? "late" : "had";
    hold(cursor, message);
    void this.#read(position.name, cursor);
    return "held";
  }

  /** One that comes in its turn: what is to be told with it is the same for most sessions, or for this one alone. */
  #admitNext(message: ClientMessage): Admission {
    const others = this.#meetLater(message);
    if (others.length === 0 && this.#seen.areAllMet) return "write";
    this.#writeOut(message, others, true);
    return "had";
  }

  /** The session has a message, by whatever way. Returns whether it is known by that where it is in this channel. */
  #pass(position: ChannelPosition, id: string | undefined): boolean {
    const cursor = this.#cursorOf(position.name);
    const isFirst = !cursor.position;
    if (!isReadyFor(cursor, position)) {
      if (isAhead(cursor, position)) this.#readToo(position.name, cursor);
      return false;
    }
    advance(cursor, position);
    if (id !== undefined) this.#seen.met(position.name, [id]);
    return isFirst;
  }

  /** What the session may have missed is read, also where that is being done: it may have been read before that was there. */
  #readToo(name: string, cursor: Cursor): void {
    if (cursor.isReading || !cursor.position) cursor.hasOverflowed = true;
    else void this.#read(name, cursor);
  }

  /** The client gets a message. Returns those of its other channels in which the client may meet it, too, later. */
  #meetLater({ id, names = [], positions = [] }: ClientMessage): string[] {
    if (id === undefined) return [];
    const others = names.filter(
      (name) => !positions.some((own) => own.name === name) && (this.#cursors.has(name) || this.#given.has(name)),
    );
    this.#seen.add(id, names, others);
    return others;
  }

  #forgetLeft(): void {
    for (const [name, { isMember }] of this.#cursors) {
      if (isMember) continue;
      this.#cursors.delete(name);
      return;
    }
  }

  #isCurrent(name: string, cursor: Cursor): boolean {
    return !this.#isClosed && this.#cursors.get(name) === cursor;
  }

  /** Finds out where the history ends, for a session that begins with what comes now. */
  async #settle(name: string, cursor: Cursor): Promise<void> {
    const end = await this.#untilRead(name, cursor, () => this.#reader.settledPosition(name));
    if (!end) return;
    if (!cursor.position) {
      cursor.position = end;
      cursor.isFloor = true;
      this.#sink.tell(this.#seen.tellable({ name, ...end }), this.#isIncomplete);
    } else {
      if (this.#isIncomplete) this.#sink.tell(this.#seen.tellable({ name, ...cursor.position }), true);
      // Those between were for a member, and have not come.
      cursor.hasOverflowed ||= cursor.position.epoch === end.epoch && cursor.position.offset < end.offset;
    }
    if (cursor.hasOverflowed && !cursor.isReading) void this.#read(name, cursor);
  }

  /** Reads what the session has missed, until it goes on with live messages. */
  async #read(name: string, cursor: Cursor): Promise<void> {
    cursor.isReading = true;
    this.#reads++;
    try {
      do {
        cursor.hasOverflowed = false;
        if (!(await this.#readToEnd(name, cursor))) return;
      } while (!this.#release(name, cursor) || cursor.hasOverflowed);
      cursor.isReading = false;
    } finally {
      this.#reads--;
      if (this.#reads === 0 && !this.#isClosed) this.#sink.caughtUp?.();
    }
  }

  /** Resolves false where nobody waits for it any more. */
  async #readToEnd(name: string, cursor: Cursor): Promise<boolean> {
    const lane = this.#lane++ % LANES;
    while (cursor.position) {
      const { position } = cursor;
      const hasMore = await this.#lanes.take(lane, () => this.#readPage(name, cursor, position));
      if (!this.#isCurrent(name, cursor)) return false;
      if (!hasMore) break;
    }
    return true;
  }

  /** Reads and writes a part of what is missing, and waits until the client has taken it. Resolves whether there is more. */
  async #readPage(name: string, cursor: Cursor, since: HistoryPosition): Promise<boolean> {
    const heldBefore = [...cursor.held];
    const overdue = this.#seen.overdue(name);
    const recovered = await this.#untilRead(name, cursor, () => this.#reader.recover(this.#uid, name, since));
    if (!recovered) return false;
    const { position, messages, hasMore, hasGap } = recovered;
    if (hasGap) {
      this.#skip(name, cursor, position, heldBefore);
      return false;
    }
    for (const message of messages) {
      // One by one: where the session is, is told with each.
      advance(cursor, positionIn(message, name));
      this.#write(name, message);
    }
    cursor.position = position;
    // What was there before is of an epoch that is over.
    const isOver = (message: ClientMessage): boolean => positionIn(message, name).epoch !== position.epoch;
    cursor.held = cursor.held.filter((message) => !(heldBefore.includes(message) && isOver(message)));
    // Those of them that have not come are not kept in this channel.
    if (!hasMore) this.#seen.met(name, overdue);
    await this.#sink.drained();
    return hasMore;
  }

  /** Tells of a gap: the session goes on before the first message that is held, or where the history ends. */
  #skip(name: string, cursor: Cursor, end: HistoryPosition, heldBefore: readonly ClientMessage[]): void {
    cursor.held = cursor.held.filter((message) => {
      const position = positionIn(message, name);
      // What has come since may be of an epoch that has begun since.
      return position.epoch === end.epoch
        ? isAhead(cursor, position) || isNext(cursor, position)
        : !heldBefore.includes(message);
    });
    const first = cursor.held.map((message) => positionIn(message, name)).find(({ epoch }) => epoch === end.epoch);
    const position = first ? { epoch: first.epoch, offset: first.offset - 1 } : end;
    // What came live is not all that came by then.
    if (position.offset < end.offset) cursor.hasOverflowed = true;
    // Of a channel that keeps nothing any more, the next message is the first.
    cursor.position = position.epoch === NO_EPOCH ? undefined : position;
    this.#sink.tell(this.#seen.tellable({ name, ...position }), true);
  }

  /** Writes what was held. Returns false where something before that is still missing. */
  #release(name: string, cursor: Cursor): boolean {
    while (cursor.held.length > 0) {
      const message = cursor.held[0]!;
      const position = positionIn(message, name);
      if (isNext(cursor, position)) {
        advance(cursor, position);
        this.#write(name, message);
      } else if (isAhead(cursor, position)) return false;
      cursor.held.shift();
    }
    return true;
  }

  #write(name: string, message: ClientMessage): void {
    const { id, names = [] } = message;
    if (id === undefined || !this.#seen.has(name, id)) {
      this.#writeOut(message, this.#meetLater(message));
      return;
    }
    // It may still come live.
    this.#seen.add(id, names);
    this.#seen.met(name, [id]);
    // The client is not to ask for it again.
    this.#sink.tell(this.#seen.tellable(positionIn(message, name)), false);
  }

  /** @param others channels in which the client will meet the message, too */
  #writeOut(message: ClientMessage, others: readonly string[], isLive = false): void {
    const positions = (message.positions ?? []).map((position) => this.#seen.tellable(position));
    const elsewhere = others.flatMap((name) => {
      const position = this.#cursors.get(name)?.position ?? this.#given.get(name);
      return position ? [this.#seen.tellable({ name, ...position })] : [];
    });
    try {
      const placed = { ...message, positions };
      if (isLive && this.#sink.writeLive) this.#sink.writeLive(placed, elsewhere);
      else this.#sink.write(placed, elsewhere);
    } catch (error) {
      this.#sink.error(error);
    }
  }

  /** Reads again while that fails. Undefined: nobody waits for it any more. */
  async #untilRead<T>(name: string, cursor: Cursor, read: () => Promise<T>): Promise<T | undefined> {
    for (let ms = FIRST_RETRY_MS; this.#isCurrent(name, cursor); ms = Math.min(2 * ms, LAST_RETRY_MS)) {
      try {
        const value = await read();
        return this.#isCurrent(name, cursor) ? value : undefined;
      } catch (error) {
        this.#sink.error(error);
      }
      // Not all sessions at the same time.
      await sleep(ms * (0.5 + Math.random() / 2), undefined, { ref: false });
    }
    return undefined;
  }
}
