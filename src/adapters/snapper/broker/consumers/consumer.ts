import { setTimeout as sleep } from "node:timers/promises";
import type { Socket } from "engine.io";
import { GlobalChannelError } from "../../../../errors.js";
import type {
  ChannelHistory,
  ChannelPosition,
  ClientMessage,
  HistoryReader,
  SubscriberStore,
} from "../../../../types.js";
import { type Admission, SessionHistory } from "../../../../connectors/session-history.js";
import { type Batch, encodeBatch, makeBatch, noteOf, readBatch } from "./batch.js";
import { readClientMessage } from "./client-message.js";
import { endOfTurn } from "./end-of-turn.js";
import { findTimes } from "./find-times.js";
import { Queue } from "./queue.js";

/** What consumers share. */
export interface ConsumerSettings {
  history: ChannelHistory;
  store: SubscriberStore;
  /** The most messages of a batch, and the most that wait. */
  maxBatch: number;
  maxQueued: number;
  /** For how long it is kept where a consumer is, in milliseconds. */
  keepMs: number;
  /** How long a consumer may take to acknowledge a batch, in milliseconds. */
  ackTimeoutMs: number;
  /** Whether messages to different rooms come in the order in which they are kept: those that are missed are brought into it, too. */
  isOrdered: boolean;
  /** Lets a consumer join a room that the store says it is in, unless it is a member. */
  rejoin: (consumer: Consumer, position: ChannelPosition) => Promise<void>;
  /** A consumer has acknowledged so many messages. */
  delivered: (count: number) => void;
  report: (error: unknown) => void;
}

/** How long after a batch that was acknowledged it is noted that nothing is under way, in milliseconds. */
const IDLE_MS = 250;
/** How much a batch is at most, but for one message: a slow client has to get it in the time that it has to acknowledge it. */
const MAX_BATCH_CHARACTERS = 262_144;
/** How much of answers may be unsent, in characters. */
const MAX_UNSENT = 1_048_576;
/** How long to wait before a call of the store that has failed is tried again, in milliseconds. */
const RETRY_MS = 250;

/**
 * A connection of a consumer. It gets its messages in batches, one under way at a time. Before a batch is sent it is noted in the store, so
 * that whoever goes on with the consumer, after this connection or this broker, sends that batch again, under the same id.
 */
export class Consumer {
  readonly id: string;
  readonly socket: Socket;
  readonly #settings: ConsumerSettings;
  readonly #history: SessionHistory;
  readonly #queue: Queue;
  /** Those of which it is known where it is in them: with what it has acknowledged. */
  readonly #rooms = new Map<string, ChannelPosition>();
  /** Where it is in its rooms with what it has acknowledged, as far as that is not noted. */
  readonly #acknowledged = new Map<string, ChannelPosition>();
  readonly #reader: HistoryReader;
  /** How much it was answered that is not written yet, in characters. */
  #unsent = 0;
  #batch: Batch | undefined;
  #isOrdering = false;
  #isGathering = false;
  #isSent = false;
  #isReady = false;
  /** Whether the store has lost it, and does not have it again. */
  #isLost = false;
  #isClosed = false;
  #ackTimer: NodeJS.Timeout | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  /** The notes that are under way come one after the other. */
  #noting: Promise<unknown> = Promise.resolve();

  constructor(id: string, socket: Socket, reader: HistoryReader, settings: ConsumerSettings) {
    this.id = id;
    this.socket = socket;
    this.#settings = settings;
    this.#reader = reader;
    this.#queue = new Queue(settings.maxQueued);
    this.#history = new SessionHistory(
      id,
      {
        keeps: (name) => reader.keeps(name),
        settledPosition: (name) => reader.settledPosition(name),
        // What is not kept any more nobody would be told of: it gets the rest.
        recover: (uid, name, since) => reader.recoverRest(uid, name, since),
      },
      {
        write: ({ body, positions, at }) => this.#push({ body, positions, at }),
        // Consumers are not told of what is not kept any more.
        tell: (position) => this.#push({ body: undefined, positions: [position] }),
        drained: () => Promise.resolve(),
        caughtUp: () => this.#flush(),
        error: settings.report,
      },
      { positions: new Map() },
    );
    socket.on("message", (data) => this.#receive(String(data)));
  }

  /** Reads where it was, and what was under way. Its rooms are to be joined then. @returns the names of its rooms */
  async restore(): Promise<string[]> {
    const { history, store, keepMs } = this.#settings;
    const kept = await store.read(this.id);
    // From now on there is a note, by which it is known that the store has not lost it.
    if (kept?.note === undefined) await store.save(this.id, [], noteOf(undefined), keepMs);
    for (const position of kept?.positions ?? []) this.#expect(position);
    const batch = await readBatch(kept?.note ?? "", history);
    for (const { positions } of batch?.messages ?? []) {
      for (const position of positions) this.#history.expect(position);
    }
    this.#batch = batch;
    return kept?.positions.map(({ name }) => name) ?? [];
  }

  /** It is a member of all its rooms: sends what was under way, then what it has missed. */
  begin(): void {
    this.#isReady = true;
    if (this.#batch) this.#send(this.#batch);
    else this.#flush();
  }

  /** It is to join a room that it was not in: it gets what comes after this alone, also where it was in it before. */
  beginAt(position: ChannelPosition): void {
    this.#acknowledged.delete(position.name);
    this.#rooms.set(position.name, position);
    this.#history.beginAt(position);
  }

  /** It is to join a room again that it was in all the time, unless it has been taken out meanwhile. */
  async beginWhereItWas(room: string): Promise<void> {
    const kept = await this.#settings.store.read(this.id);
    const position = kept?.positions.find(({ name }) => name === room);
    if (position) this.#expect(position);
  }

  /** It has been taken out of a room: should it be a member still, or again, it gets nothing of that. */
  forget(room: string): void {
    this.#rooms.delete(room);
  }

  joined(room: string): void {
    this.#history.joined(room);
  }

  left(room: string): void {
    this.#history.left(room);
  }

  /** Live messages may have been lost on their way here. */
  lookForMissed(): void {
    this.#history.lookForMissed();
  }

  /** Takes a live message. One of a room of which it is not known yet where it is there, is read from the history then. */
  deliver(message: ClientMessage): Admission {
    if (message.positions?.some(({ name }) => !this.#rooms.has(name))) return "held";
    const admission = message.positions?.length ? this.#history.admit(message) : "write";
    if (admission === "held") this.#queue.mix();
    if (admission === "write") this.#push({ body: message.body, positions: message.positions ?? [] });
    else if (admission === "late") this.#push({ body: message.body, positions: [] });
    return admission;
  }

  /** Keeps it for longer where it is. */
  async keep(): Promise<void> {
    if (!this.#isReady) return;
    const { store, keepMs } = this.#settings;
    const isNoted = await store.expire(this.id, keepMs);
    if (!isNoted || this.#isLost) await this.#note(() => this.#batch);
  }

  /** The connection is gone. Resolves when it is noted where the consumer is. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#ackTimer);
    clearTimeout(this.#idleTimer);
    this.#history.close();
    await this.#note(() => (this.#isSent ? this.#batch : undefined));
  }

  #expect(position: ChannelPosition): void {
    if (!this.#rooms.has(position.name)) this.#rooms.set(position.name, position);
    this.#history.expect(position);
  }

  #push(message: Parameters<Queue["push"]>[0]): void {
    this.#queue.push(message);
    this.#flush();
  }

  /** What comes in one turn goes together. */
  #flush(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    void endOfTurn().then(() => {
      this.#isGathering = false;
      this.#sendNext();
    });
  }

  #sendNext(): void {
    if (!this.#isReady || this.#isClosed || this.#batch || this.#history.isCatchingUp || this.#isOrdering) return;
    if (this.#queue.isMixed && this.#settings.isOrdered) {
      void this.#order();
      return;
    }
    this.#queue.sort();
    if (this.#queue.length === 0) return;
    clearTimeout(this.#idleTimer);
    const batch = (this.#batch = makeBatch(this.#queue.take(this.#settings.maxBatch, MAX_BATCH_CHARACTERS)));
    void this.#noteUntilDone(batch).then(() => this.#send(batch));
  }

  /**
   * Brings what was missed and what came live meanwhile into one order. What was kept before the newest of what was missed may still be
   * on its way: it is waited for.
   */
  async #order(): Promise<void> {
    this.#isOrdering = true;
    const [room] = this.#rooms.keys();
    try {
      if (room !== undefined) await this.#reader.settledPosition(room);
      await findTimes(this.#queue.untimed, this.#settings.history);
      // Else something is missing again, and it begins anew when that is there.
      if (!this.#history.isCatchingUp) this.#queue.sort();
    } catch (error) {
      this.#settings.report(error);
      await sleep(RETRY_MS, undefined, { ref: false });
    }
    this.#isOrdering = false;
    this.#flush();
  }

  #send(batch: Batch): void {
    if (this.#isClosed) return;
    this.#isSent = true;
    if (batch.messages.every(({ body }) => body === undefined)) {
      this.#acknowledge(batch);
      return;
    }
    this.#ackTimer = setTimeout(() => this.#giveUp(), this.#settings.ackTimeoutMs);
    this.socket.send(encodeBatch(batch));
  }

  #giveUp(): void {
    const message = `consumer ${this.id} has acknowledged nothing for ${this.#settings.ackTimeoutMs} ms`;
    this.#settings.report(new GlobalChannelError("GC_TIMEOUT", message));
    this.socket.close(true);
  }

  #acknowledge({ messages }: Batch): void {
    clearTimeout(this.#ackTimer);
    for (const { positions } of messages) {
      for (const position of positions) {
        this.#acknowledged.set(position.name, position);
        if (this.#rooms.has(position.name)) this.#rooms.set(position.name, position);
      }
    }
    this.#settings.delivered(messages.filter(({ body }) => body !== undefined).length);
    this.#batch = undefined;
    this.#isSent = false;
    this.#idleTimer = setTimeout(() => void this.#note(() => undefined), IDLE_MS);
    this.#flush();
  }

  #receive(text: string): void {
    const { answer, acknowledged } = readClientMessage(text, this.#isSent ? this.#batch?.id : undefined);
    if (acknowledged && this.#batch) this.#acknowledge(this.#batch);
    if (answer !== undefined) this.#answer(answer);
  }

  /** Who asks and takes no answers is not to fill the memory with them. */
  #answer(text: string): void {
    this.#unsent += text.length;
    if (this.#unsent > MAX_UNSENT) {
      const message = `consumer ${this.id} does not take what it is answered`;
      this.#settings.report(new GlobalChannelError("GC_OVERLOADED", message));
      this.socket.close(true);
      return;
    }
    this.socket.send(text, {}, () => (this.#unsent -= text.length));
  }

  /** Notes where it is, and what is under way by then. */
  #note(underWay: () => Batch | undefined): Promise<void> {
    const note = this.#noting.then(() => this.#save(underWay()));
    this.#noting = note.catch(() => {});
    return note.catch(this.#settings.report);
  }

  async #noteUntilDone(batch: Batch): Promise<void> {
    const note = this.#noting.then(async () => {
      while (!this.#isClosed) {
        try {
          await this.#save(batch);
          return;
        } catch (error) {
          this.#settings.report(error);
        }
        await sleep(RETRY_MS, undefined, { ref: false });
      }
    });
    this.#noting = note;
    await note;
  }

  /**
   * The store has lost it: what is known here is all there is, but for the rooms that it was let join while nobody knew that it is here.
   */
  async #subscribeAgain(): Promise<void> {
    const { store, keepMs, rejoin } = this.#settings;
    await Promise.all(Array.from(this.#rooms.values(), (position) => store.subscribe(this.id, position, keepMs)));
    const kept = await store.read(this.id);
    await Promise.all((kept?.positions ?? []).map((position) => rejoin(this, position)));
    this.#isLost = false;
  }

  async #save(batch: Batch | undefined): Promise<void> {
    const { store, keepMs } = this.#settings;
    const positions = [...this.#acknowledged.values()];
    this.#acknowledged.clear();
    try {
      this.#isLost ||= !(await store.save(this.id, positions, noteOf(batch), keepMs));
      if (this.#isLost) await this.#subscribeAgain();
    } catch (error) {
      // It is noted with the next one, unless that is further.
      for (const position of positions) {
        if (!this.#acknowledged.has(position.name)) this.#acknowledged.set(position.name, position);
      }
      throw error;
    }
  }
}
