import type { Appended, ChannelHistory, ChannelPush } from "../types.js";

/** How a push with a record is kept: before it is sent, or in the moment in which it is. */
export class Keeping {
  /** Resolves once it is kept; undefined: it will be when the {@link result} is asked for, or there is no record. */
  readonly before: Promise<void> | undefined;
  readonly #release: (() => Promise<void>) | undefined;
  #append: (() => Appended) | undefined;
  #appended: Appended | undefined;

  constructor(history: ChannelHistory | undefined, names: readonly string[], push: Omit<ChannelPush, "names">) {
    const { record, stype, route, body, except, id } = push;
    if (!record || !history) return;
    const append = { entry: { stype, route, body, except, names, id }, ...record };
    // In the moment in which it is sent: so nobody finds it in the history to whom it is still to be sent.
    if (history.appendsAtOnce) this.#append = () => history.append(append) as Appended;
    else this.before = (async () => void (this.#appended = await history.append(append)))();
    const { idempotencyKey: key } = record;
    if (key !== undefined) this.#release = async () => history.settle(names, key, undefined);
  }

  /** To be asked for when it is to be sent; undefined: there is no record. */
  result(): Appended | undefined {
    return (this.#appended ??= this.#append?.());
  }

  /** It was not sent, and will not be: unless it is kept all the same, its key is free again. Resolves when that is so. */
  async release(): Promise<void> {
    try {
      await this.before;
    } catch {
      // Its caller is told why. Whose the key is, nobody knows.
      return;
    }
    const appended = this.#appended;
    if (appended && appended.repeated === undefined && appended.positions.length === 0) await this.#release?.();
  }
}
