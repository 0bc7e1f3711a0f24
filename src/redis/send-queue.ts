/**
 * Sends things together that are called for within a tick, or while what was sent before is not answered: so, the busier Redis is,
 * the more goes to it at once.
 */
export class SendQueue {
  readonly #canWait: () => boolean;
  readonly #deferred: (() => Promise<unknown>)[] = [];
  /** How much of what was deferred has been sent and is not answered: since the last {@link reset}, not before. */
  #sent = { underWay: 0 };

  /** @param canWait whether what was sent will be answered: while Redis is out of reach nothing waits */
  constructor(canWait: () => boolean) {
    this.#canWait = canWait;
  }

  /**
   * Calls `send`, which resolves when it is answered, at the end of this tick, or, if what was deferred before is not answered
   * then, as soon as that is.
   */
  defer(send: () => Promise<unknown>): void {
    this.#deferred.push(send);
    const waits = this.#sent.underWay > 0 && this.#canWait();
    if (!waits && this.#deferred.length === 1) process.nextTick(() => this.flush());
  }

  /** Whether nothing was deferred after `send`: what is called for now may still go with it without losing its place. */
  isLast(send: () => Promise<unknown>): boolean {
    return this.#deferred.at(-1) === send;
  }

  /** Sends what was deferred: what is called for from now on comes after it. */
  flush(): void {
    if (this.#deferred.length === 0) return;
    const sent = this.#sent;
    for (const send of this.#deferred.splice(0)) {
      sent.underWay++;
      void send().finally(() => {
        // Whoever is told of an answer and calls for the next thing at once is to go with it.
        if (--sent.underWay === 0) process.nextTick(() => this.flush());
      });
    }
  }

  /** Sends what was deferred, and waits for nothing of that: its connection is gone. */
  reset(): void {
    this.flush();
    this.#sent = { underWay: 0 };
  }
}
