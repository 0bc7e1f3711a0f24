import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { defineScript } from "./script.js";
import { probeText, type Subscription } from "./subscription.js";

/** How often a process sends a probe by itself where no other command carries one, in milliseconds. */
const PROBE_MS = 5000;
/** How long after a probe another command may carry one, in milliseconds: not each renewal of each lease has to. */
const CARRY_MS = 1500;
/** How long a probe that Redis has taken may be on its way before it is looked into, in milliseconds. */
const PATIENCE_MS = 1000;

/** A probe, as scripts take it: its text, then the pub/sub channels to publish it to; nothing if there is none to send. */
export type Probe = readonly string[];

/**
 * Publishes a probe.
 * KEYS: none
 * ARGV: 1 its text, 2... pub/sub channels
 */
export const probe = defineScript("probe", /* lua */ `for i = 2, #ARGV do redis.call('PUBLISH', ARGV[i], ARGV[1]) end`);

interface ProberOptions {
  /** The subscriptions that probes can come by now. */
  standing: () => readonly Subscription[];
  /** Which of them the next probe is to come by. @default all */
  choose?: (standing: readonly Subscription[]) => readonly Subscription[];
  /** Sends a probe in a command of its own. */
  publish: (probe: Probe) => Promise<unknown>;
  /** Resolves whether Redis has answered by the connection of the subscriptions, which ends where it does not. */
  ask: () => Promise<boolean>;
  /** These get no messages though their connection lives. */
  dead: (subscriptions: readonly Subscription[]) => void;
}

/**
 * Finds subscriptions that are dead while their connection looks healthy, by messages to itself. It is no matter of time
 * whether one is dead: Redis has taken the probe, and then answers by the same connection, which keeps the order, and the
 * probe has not come before that answer. So neither a Redis that hangs nor an event loop that is blocked is taken for that.
 */
export class Prober {
  readonly #options: ProberOptions;
  readonly #id = randomBytes(9).toString("base64url");
  #count = 0;
  #lastAt = -Infinity;
  #isUnderWay = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ProberOptions) {
    this.#options = options;
  }

  start(): void {
    const { publish } = this.#options;
    this.#timer = setInterval(() => {
      if (performance.now() - this.#lastAt < PROBE_MS / 2) return;
      // Where Redis is out of reach, whoever needs it is told.
      this.carry(async (own) => own.length > 0 && publish(own)).catch(() => {});
    }, PROBE_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /**
   * Has a command that is made anyway carry a probe, so that it costs none of its own. Resolves and rejects as `send` does.
   * @param send makes the command, with the probe that it is to publish, which may be nothing
   */
  carry<T>(send: (probe: Probe) => Promise<T>): Promise<T> {
    const { choose = (all) => all } = this.#options;
    const standing = this.#options.standing();
    if (standing.length === 0 || this.#isUnderWay || performance.now() - this.#lastAt < CARRY_MS) return send([]);
    this.#isUnderWay = true;
    this.#lastAt = performance.now();
    const text = probeText(`${this.#id}.${++this.#count}`);
    const probed = choose(standing);
    for (const subscription of probed) subscription.expect(text);
    const sending = send([text, ...probed.map(({ probedAt }) => probedAt)]);
    void this.#follow(text, sending).finally(() => (this.#isUnderWay = false));
    return sending;
  }

  async #follow(text: string, sending: Promise<unknown>): Promise<void> {
    const missing = (): Subscription[] => this.#options.standing().filter((subscription) => subscription.awaits(text));
    const taken = sending.then(
      () => true,
      () => false,
    );
    // By an injected client the answer may never come.
    const isTaken = await Promise.race([taken, sleep(PROBE_MS, false, { ref: false })]);
    if (isTaken) await sleep(PATIENCE_MS, undefined, { ref: false });
    if (isTaken && missing().length === 0) return;
    const isAnswered = await this.#options.ask();
    // Where it is not known whether the probe was published, it was good to ask all the same: what keeps commands from Redis
    // may have ended this connection, too, and nobody else would notice.
    const dead = isTaken && isAnswered ? missing() : [];
    if (dead.length > 0) this.#options.dead(dead);
  }
}
