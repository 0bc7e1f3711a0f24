import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import * as fc from "fast-check";
import { parsePositions } from "../../../src/connectors/given-positions.js";
import { SessionHistory } from "../../../src/connectors/session-history.js";
import { keptMessageFrame, messageFrame, positionFrame } from "../../../src/connectors/websocket/frames.js";
import { FrontendHistory } from "../../../src/frontend/frontend-history.js";
import { MemoryChannelHistory } from "../../../src/histories/memory.js";
import { type ChannelHistory, type ClientMessage, memory } from "../../../src/index.js";
import { textIn } from "../../connectors/websocket-support.js";
import { Ledger } from "./ledger.js";
import { type Frame, Witness } from "./oracle.js";
import { OTHER_STYPE, STYPE } from "./settings.js";

const NAMES = ["a", "b"] as const;
const UID = "ann";
const LIMITS = { size: 4, ttlMs: 60_000 };
/** How long the client may take to have everything at the end, in milliseconds: at once, and where reads are to be tried again. */
const [PATIENCE_MS, RETRY_PATIENCE_MS] = [50, 600];

const name = fc.constantFrom(...NAMES);
/** Which of the messages that are on their way: mostly the first. */
const which = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(10) });

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: fc.constant("push"), names: fc.subarray([...NAMES], { minLength: 1 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("push-to-others"), name, isExcept: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ type: fc.constant("deliver"), which }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("deliver-twice"), which }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("lose"), which }) },
  { weight: 8, arbitrary: fc.record({ type: fc.constant("read-on") }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("fail-read") }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("join"), name }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("leave"), name }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("remove"), name }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("reconnect") }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("look") }) },
);

type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** What happens to one client, and the order in which its reads are answered. */
export const interleavings = fc.tuple(fc.array(step, { maxLength: 80, size: "max" }), fc.scheduler());

/** A client with a session on a history in memory, and what is on its way to it. */
export class Interleaving {
  readonly #scheduler: fc.Scheduler;
  readonly #history = new MemoryChannelHistory({ channels: { "*": LIMITS } });
  readonly #reader: FrontendHistory;
  readonly #ledger = new Ledger();
  readonly #witness = new Witness(UID, this.#ledger);
  readonly #members = new Set<string>(["a"]);
  #onTheirWay: ClientMessage[] = [];
  #failures = 0;
  #hasFailed = false;
  #session: SessionHistory;

  constructor(scheduler: fc.Scheduler) {
    this.#scheduler = scheduler;
    const history: ChannelHistory = {
      appendsAtOnce: true,
      limitsOf: (channel) => this.#history.limitsOf(channel),
      append: (append) => this.#history.append(append),
      settle: () => {},
      read: (channel, range) => this.#slowly(() => this.#history.read(channel, range)),
      positions: (names) => this.#slowly(() => this.#history.positions(names)),
      remove: (channel) => this.#history.remove(channel),
    };
    const delivered = async (): Promise<void> => {};
    const cluster = { ...memory(), history };
    this.#reader = new FrontendHistory({ cluster, history, sid: "s1", stype: STYPE, delivered });
    this.#session = this.#connect();
  }

  /** Resolves what is wrong. */
  async run(steps: readonly Step[]): Promise<string[]> {
    for (const one of steps) {
      this.#witness.note(JSON.stringify(one));
      this.#take(one);
      if (one.type === "read-on" && this.#scheduler.count() > 0) await this.#scheduler.waitOne();
      await turn();
    }
    this.#session.lookForMissed();
    const lags = await this.#settle();
    this.#session.close();
    return [...this.#ledger.violations, ...this.#witness.violations, ...lags];
  }

  #take(one: Step): void {
    switch (one.type) {
      case "push":
        this.#push(one.names, STYPE, []);
        break;
      case "push-to-others":
        this.#push([one.name], one.isExcept ? STYPE : OTHER_STYPE, one.isExcept ? [UID] : []);
        break;
      case "deliver":
        this.#deliver(this.#pick(one.which));
        break;
      case "deliver-twice": {
        const message = this.#pick(one.which);
        // What is late twice is written twice: it is not remembered, as no transport does that.
        if (this.#deliver(message) !== "late") this.#deliver(message);
        break;
      }
      case "lose":
        this.#pick(one.which);
        break;
      case "fail-read":
        this.#failures++;
        break;
      case "join":
        this.#members.add(one.name);
        this.#session.joined(one.name);
        break;
      case "leave":
        this.#members.delete(one.name);
        this.#session.left(one.name);
        break;
      case "remove":
        this.#history.remove(one.name);
        break;
      case "reconnect":
        this.#session.close();
        // Of a channel in which the client is nowhere yet, nothing comes from before the session: it would begin behind what it has out of
        // other channels.
        this.#onTheirWay = this.#onTheirWay.filter(({ names: [only = "", ...others] = [] }) => {
          return others.length === 0 && this.#witness.positions.has(only);
        });
        this.#session = this.#connect();
        break;
      case "look":
        this.#session.lookForMissed();
        break;
      default:
    }
  }

  #push(names: readonly string[], stype: string, except: readonly string[]): void {
    const push = this.#ledger.add({ names, stype, except: new Set(except) });
    const id = names.length > 1 ? `id-${push.n}` : undefined;
    const entry = { route: "chat", body: JSON.stringify({ n: push.n }), stype, except, names, id };
    const { positions } = this.#history.append({ entry, limits: names.map(() => LIMITS) });
    for (const position of positions) this.#ledger.learn(push, position);
    if (stype === STYPE && except.length === 0) this.#onTheirWay.push({ ...entry, positions });
  }

  #pick(index: number): ClientMessage | undefined {
    return this.#onTheirWay.splice(index % Math.max(1, this.#onTheirWay.length), 1)[0];
  }

  /** As frontends do: to members, and with the positions of the channels that they are members of. */
  #deliver(message: ClientMessage | undefined) {
    const positions = message?.positions?.filter((position) => this.#members.has(position.name)) ?? [];
    if (!message || positions.length === 0) return undefined;
    const admission = this.#session.admit({ ...message, positions });
    if (admission === "write") this.#get(keptMessageFrame({ ...message, positions }));
    else if (admission === "late") this.#get(messageFrame(message));
    return admission;
  }

  #connect(): SessionHistory {
    const given = parsePositions(JSON.stringify(Object.fromEntries(this.#witness.positions)));
    const session: SessionHistory = new SessionHistory(
      UID,
      this.#reader,
      {
        write: (message, elsewhere) => this.#get(keptMessageFrame(message, elsewhere)),
        tell: (position, hasGap) => this.#get(positionFrame(position, hasGap)),
        drained: () => this.#scheduler.schedule(Promise.resolve()),
        error: (error) => this.#witness.note(String((error as Error).stack)),
      },
      { positions: given },
    );
    for (const channel of this.#members) session.joined(channel);
    return session;
  }

  #get(frame: Buffer): void {
    this.#witness.take(JSON.parse(textIn(frame)) as Frame);
  }

  /** Some time after the call, and some time before it is answered. */
  async #slowly<T>(work: () => T): Promise<T> {
    await this.#scheduler.schedule(Promise.resolve());
    if (this.#failures > 0) {
      this.#failures--;
      this.#hasFailed = true;
      throw new Error("the store is away");
    }
    const result = work();
    await this.#scheduler.schedule(Promise.resolve());
    return result;
  }

  async #settle(): Promise<string[]> {
    const startedAt = performance.now();
    this.#failures = 0;
    for (;;) {
      await this.#scheduler.waitIdle();
      const lags = [...this.#members].flatMap((channel) => {
        const [end] = this.#history.positions([channel]);
        return this.#witness.lagBehind({ name: channel, ...end! }) ?? [];
      });
      if (lags.length === 0 || performance.now() > startedAt + (this.#hasFailed ? RETRY_PATIENCE_MS : PATIENCE_MS)) {
        return lags.map((lag) => `${lag}:\n${this.#witness.showTrace()}`);
      }
      await sleep(1);
    }
  }
}
