/** Sees that each of the clients here gets each message once. */
export class Deliveries {
  readonly #clients: number;
  readonly #complete: (number: number) => void;
  /** Of each message that not all clients have: who has it. */
  readonly #pending = new Map<number, { has: Uint8Array; missing: number }>();
  /** What all clients have got. */
  readonly #done = new Set<number>();
  /** The first thing that should not have happened. */
  #problem: string | undefined;

  /** @param complete is told of each message that all clients have */
  constructor(clients: number, complete: (number: number) => void) {
    this.#clients = clients;
    this.#complete = complete;
  }

  /** How many messages have come to all the clients since the last {@link begin}. */
  get count(): number {
    return this.#done.size;
  }

  /** Forgets what has come: the numbers of the next messages may be those of earlier ones. */
  begin(): void {
    this.#pending.clear();
    this.#done.clear();
  }

  /** @param client its place among those here */
  take(client: number, number: number): void {
    let message = this.#pending.get(number);
    if (!message) {
      if (this.#done.has(number)) return this.fail(`message ${number} has come to a client twice`);
      message = { has: new Uint8Array(this.#clients), missing: this.#clients };
      this.#pending.set(number, message);
    }
    if (message.has[client] === 1) return this.fail(`message ${number} has come to a client twice`);
    message.has[client] = 1;
    if (--message.missing > 0) return;
    this.#pending.delete(number);
    this.#done.add(number);
    this.#complete(number);
  }

  fail(problem: string): void {
    this.#problem ??= problem;
  }

  /** What is wrong: a message has come to a client more than once, or not to all of them. */
  get problem(): string | undefined {
    const [first] = this.#pending;
    if (this.#problem !== undefined || !first) return this.#problem;
    const [number, { missing }] = first;
    return `message ${number} has not come to ${missing} of ${this.#clients} clients`;
  }
}
