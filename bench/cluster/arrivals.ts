import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { listenLocally } from "../support/listen.js";

/** How long the last message may take to come. */
export const ARRIVAL_TIMEOUT_MS = 60_000;

/** Learns from other processes which messages they have got, all their clients where they are clients'. */
export class Arrivals {
  readonly #server = createServer((socket) => this.#listen(socket));
  readonly #waiting = new Map<number, { processes: number; resolve: () => void }>();
  #port: Promise<number> | undefined;
  #processes = 0;

  /** Resolves the port at which the processes tell. */
  listen(): Promise<number> {
    return (this.#port ??= listenLocally(this.#server));
  }

  /** Resolves once all processes have got this message; call it before the message is sent. */
  of(number: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.set(number, { processes: this.#processes, resolve }));
  }

  /**
   * Resolves what `work` does, which waits for messages.
   * @throws where it does not end within {@link ARRIVAL_TIMEOUT_MS} after `durationMs`: a message may be lost
   */
  async within<T>(durationMs: number, work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(this.#late()), durationMs + ARRIVAL_TIMEOUT_MS);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  #late(): Error {
    const waiting = Array.from(this.#waiting, ([number, { processes }]) => `${number} (${processes} processes)`);
    return new Error(
      `these messages have not come in time: ${waiting.join(", ") || "none, but the load does not end"}`,
    );
  }

  #listen(socket: Socket): void {
    this.#processes++;
    socket.once("close", () => this.#processes--);
    socket.on("error", () => {});
    // The process waits for this, so that it is counted before the next message is sent.
    socket.write("welcome");
    let rest = "";
    socket.setEncoding("latin1").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) this.#count(Number(line));
    });
  }

  #count(number: number): void {
    const waiting = this.#waiting.get(number);
    if (!waiting || --waiting.processes > 0) return;
    this.#waiting.delete(number);
    waiting.resolve();
  }
}

/** Tells {@link Arrivals} which messages this process has got. */
export class ArrivalReporter {
  #socket: Socket | undefined;
  #port: number | undefined;
  #numbers: number[] = [];

  /** From now on those at this port are told; undefined: nobody is. */
  async reportTo(port: number | undefined): Promise<void> {
    // Who goes and comes back at once may be counted twice.
    if (port === this.#port) return;
    this.#port = port;
    this.#socket?.destroy();
    this.#socket = undefined;
    if (port === undefined) return;
    const socket = connect(port, "127.0.0.1").setNoDelay();
    await once(socket, "data");
    this.#socket = socket;
  }

  arrived(number: number): void {
    if (!this.#socket) return;
    // What arrives in one tick is told together.
    if (this.#numbers.push(number) === 1) setImmediate(() => this.#tell());
  }

  #tell(): void {
    this.#socket?.write(`${this.#numbers.join("\n")}\n`);
    this.#numbers = [];
  }
}
