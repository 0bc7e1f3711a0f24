import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";

/** Learns from the processes of the clients which messages all of their clients have got. */
export class Arrivals {
  readonly #server = createServer((socket) => this.#listen(socket));
  readonly #waiting = new Map<number, { processes: number; resolve: () => void }>();
  #processes = 0;

  /** Resolves the port at which the processes tell. */
  async listen(): Promise<number> {
    if (!this.#server.listening) {
      this.#server.listen(0, "127.0.0.1");
      await once(this.#server, "listening");
    }
    return (this.#server.address() as AddressInfo).port;
  }

  /** Resolves once all clients have got this message; call it before the message is sent. */
  of(number: number): Promise<void> {
    return new Promise((resolve) => this.#waiting.set(number, { processes: this.#processes, resolve }));
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
