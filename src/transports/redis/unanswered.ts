import { setImmediate as nextTurn } from "node:timers/promises";
import { GlobalChannelError, unreachable } from "../../errors.js";
import type { RedisConnection } from "../../redis/connection.js";
import { isAlive } from "../../redis/leases.js";
import type { Exchange } from "./exchange.js";
import { AGAIN, encodeAsk, encodeDone, encodeRequest } from "./wire.js";

interface UnansweredOptions {
  connection: RedisConnection;
  /** Names this caller. */
  from: string;
  /** In the order in which they were sent. */
  exchanges: ReadonlyMap<number, Exchange>;
  /** Resolves how many have got the message. */
  sendTo: (sid: string, message: string) => Promise<number>;
  report: (error: unknown) => void;
}

/** How often it is looked for requests without an answer, in milliseconds. */
const CHECK_MS = 250;
/** After how long a frontend is asked what has become of a request, and how often, in milliseconds. */
const ASK_AFTER_MS = 1000;
/** How many requests one frontend may leave unanswered for so long, and if it has answered nothing at all of late. */
const MAX_UNANSWERED = 1000;
const SLOW_MS = 1000;
const SILENT_MS = 500;
/** How many characters of requests are sent once more at a time. */
const MAX_LENGTH = 16 * 1024 * 1024;

/**
 * Sees to requests that get no answer, until their deadline: asks the frontend what has become of them, and sends those once
 * more that it has missed. One that was not reached, as its subscription is cut, is waited for while it holds its lease. What a
 * frontend leaves unanswered beyond a bound fails at once, so that it does not use up what pushes to others need.
 */
export class Unanswered {
  readonly #options: UnansweredOptions;
  /** When each frontend was last asked; `isDue`: it is to be asked once more after that. */
  readonly #asked = new Map<string, { at: number; isUnderWay: boolean; isDue: boolean }>();
  /** When each frontend last answered anything. */
  readonly #heard = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #checkedAt = 0;

  constructor(options: UnansweredOptions) {
    this.#options = options;
  }

  start(): void {
    // Once the answers have been read that were there already: this process may have been busy.
    this.#timer = setInterval(() => setImmediate(() => this.#check()), CHECK_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** A frontend has answered something. */
  heardFrom(sid: string): void {
    this.#heard.set(sid, performance.now());
  }

  /** Asks a frontend what has become of all that it has not answered. */
  ask(sid: string): void {
    const asked = this.#asked.get(sid);
    if (asked?.isUnderWay) asked.isDue = true;
    else void this.#askUntilDone(sid);
  }

  /** Asks all of them: their answers may have been missed. */
  askAll(): void {
    const sids = new Set<string>();
    for (const exchange of this.#options.exchanges.values()) {
      for (const sid of exchange.waiting) sids.add(sid);
    }
    for (const sid of sids) this.ask(sid);
  }

  /** A request has not reached the frontend. */
  unreached(exchange: Exchange, sid: string): void {
    exchange.markUnreached(sid);
    this.#askUnlessLately(sid, CHECK_MS);
  }

  /** Sends once more what a frontend has missed. */
  async sendAgain(sid: string, ids: readonly number[]): Promise<void> {
    const { from, exchanges, report } = this.#options;
    try {
      await this.#learnWhoIsExpected();
    } catch (error) {
      // Redis is out of reach: the frontend says it once more.
      report(error);
      return;
    }
    let room = MAX_LENGTH;
    const sending: Promise<unknown>[] = [];
    for (const id of ids) {
      const exchange = exchanges.get(id);
      if (!exchange?.isWaitingFor(sid) || room <= 0) continue;
      const text = encodeRequest(from, id, exchange.requestTo(sid), AGAIN);
      room -= text.length;
      exchange.markReached(sid);
      sending.push(this.#options.sendTo(sid, text));
    }
    sending.push(this.#options.sendTo(sid, encodeDone(from)));
    await Promise.all(sending).catch(report);
  }

  #check(): void {
    const { exchanges } = this.#options;
    const now = performance.now();
    const wasBusy = now - this.#checkedAt > 2 * CHECK_MS;
    this.#checkedAt = now;
    if (exchanges.size === 0) {
      this.#asked.clear();
      this.#heard.clear();
      return;
    }
    // More of them are to be read then.
    if (wasBusy) return;
    const counts = new Map<string, number>();
    for (const exchange of exchanges.values()) {
      const age = now - exchange.startedAt;
      // They are in order: those that follow were sent later.
      if (age < CHECK_MS) break;
      for (const sid of [...exchange.waiting]) {
        const count = (counts.get(sid) ?? 0) + 1;
        counts.set(sid, count);
        if (count > MAX_UNANSWERED && (age >= SLOW_MS || (age >= SILENT_MS && this.#isSilent(sid))))
          exchange.fail(sid, overloaded(sid));
        else if (exchange.isUnreached(sid)) this.#askUnlessLately(sid, CHECK_MS);
        else if (age >= ASK_AFTER_MS) this.#askUnlessLately(sid, ASK_AFTER_MS);
      }
    }
  }

  #isSilent(sid: string): boolean {
    return performance.now() - (this.#heard.get(sid) ?? -Infinity) >= SILENT_MS;
  }

  #askUnlessLately(sid: string, ms: number): void {
    const at = this.#asked.get(sid)?.at;
    if (at === undefined || performance.now() - at >= ms) this.ask(sid);
  }

  async #askUntilDone(sid: string): Promise<void> {
    const asked = { at: performance.now(), isUnderWay: true, isDue: true };
    this.#asked.set(sid, asked);
    try {
      while (asked.isDue) {
        asked.isDue = false;
        asked.at = performance.now();
        await this.#ask(sid);
      }
    } catch (error) {
      // Redis is out of reach: the next time.
      this.#options.report(error);
    } finally {
      asked.isUnderWay = false;
    }
  }

  async #ask(sid: string): Promise<void> {
    const { connection, from, exchanges } = this.#options;
    await this.#learnWhoIsExpected();
    // Those that are being sent, too: they come before this at Redis, and may be lost where the frontend is back in between.
    const waiting = [...exchanges].filter(([, exchange]) => exchange.mayWaitFor(sid));
    const ids = waiting.map(([id]) => id);
    if ((await this.#options.sendTo(sid, encodeAsk(from, ids))) > 0 || (await isAlive(connection, sid))) return;
    for (const [, exchange] of waiting) {
      if (exchange.isUnreached(sid)) exchange.fail(sid, unreachable(sid));
    }
  }

  /** Of what was sent before this it is known afterwards to which frontends it has gone. */
  async #learnWhoIsExpected(): Promise<void> {
    await this.#options.connection.catchUp();
    await nextTurn();
  }
}

function overloaded(sid: string): GlobalChannelError {
  const message = `frontend ${JSON.stringify(sid)} leaves more than ${MAX_UNANSWERED} requests unanswered`;
  return new GlobalChannelError("GC_OVERLOADED", message, { sid });
}
