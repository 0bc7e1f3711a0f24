import type { ClientMessage, Connector, ConnectorHost } from "../../src/index.js";

/** A message as a user got it. */
export interface ReceivedMessage {
  route: string;
  msg: unknown;
}

/** Sessions without sockets: what each user gets is written down, in order. */
export class RecordingConnector implements Connector {
  readonly #sessions = new Map<string, number>();
  readonly #received = new Map<string, ReceivedMessage[]>();
  #host: ConnectorHost | undefined;
  /** Deliveries that wait for {@link resume}, or undefined where none has to. */
  #held: (() => void)[] | undefined;

  start(host: ConnectorHost): void {
    this.#host = host;
  }

  stop(): void {
    for (const uid of this.#sessions.keys()) this.#closeAll(uid);
  }

  /** The channels of a user here, as the frontend knows them. */
  channelsOf(uid: string): readonly string[] {
    return this.#host!.channelsOf!(uid);
  }

  /** Opens one more session of the user. */
  connect(uid: string): void {
    this.#sessions.set(uid, (this.#sessions.get(uid) ?? 0) + 1);
    this.#host!.opened(uid);
  }

  /** Closes one session of the user. */
  disconnect(uid: string): void {
    const count = this.#sessions.get(uid) ?? 0;
    if (count > 1) this.#sessions.set(uid, count - 1);
    else this.#sessions.delete(uid);
    if (count > 0) this.#host!.closed(uid);
  }

  /** The user sends a message. */
  send(uid: string, route: string, msg: unknown): void {
    void this.#host!.message(uid, route, msg);
  }

  /** What the user has got, whichever sessions it had. */
  received(uid: string): ReceivedMessage[] {
    return this.#received.get(uid) ?? [];
  }

  /** From now on nothing is delivered and no delivery ends, until {@link resume}. */
  hang(): void {
    this.#held ??= [];
  }

  /** How many deliveries wait for {@link resume}. */
  get holding(): number {
    return this.#held?.length ?? 0;
  }

  /** Whether a delivery waits for {@link resume}. */
  get isHolding(): boolean {
    return this.holding > 0;
  }

  resume(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const deliver of held) deliver();
  }

  deliver(uids: ReadonlySet<string>, message: ClientMessage): string[] | Promise<string[]> {
    const receivers = [...uids];
    return this.#whenResumed(() => receivers.filter((uid) => !this.#write(uid, message)));
  }

  deliverToAll(message: ClientMessage, except: ReadonlySet<string>): number | Promise<number> {
    return this.#whenResumed(
      () => [...this.#sessions.keys()].filter((uid) => !except.has(uid) && this.#write(uid, message)).length,
    );
  }

  disconnectUsers(uids: ReadonlySet<string>): string[] | Promise<string[]> {
    const users = [...uids];
    return this.#whenResumed(() => users.filter((uid) => !this.#closeAll(uid)));
  }

  /** Closes the user's sessions; returns whether there were any. */
  #closeAll(uid: string): boolean {
    const count = this.#sessions.get(uid) ?? 0;
    for (let left = count; left > 0; left--) this.disconnect(uid);
    return count > 0;
  }

  #whenResumed<T>(write: () => T): T | Promise<T> {
    const held = this.#held;
    if (!held) return write();
    return new Promise((resolve) => held.push(() => resolve(write())));
  }

  #write(uid: string, { route, body }: ClientMessage): boolean {
    if (!this.#sessions.has(uid)) return false;
    const received = this.#received.get(uid) ?? [];
    this.#received.set(uid, received);
    received.push({ route, msg: JSON.parse(body) });
    return true;
  }
}
