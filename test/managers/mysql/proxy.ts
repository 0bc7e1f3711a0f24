import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** When a connection is cut: before the server gets what is sent, or after it has answered, which nobody then learns. */
export type Cut = "before" | "after";

/** A TCP proxy before a database that counts what is asked, and can break a connection at a commit. */
export class MysqlProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #target: URL;
  #cut: Cut | undefined;
  /** How many packets with statements were sent. */
  statements = 0;

  static async start(url: string): Promise<MysqlProxy> {
    const proxy = new MysqlProxy(url);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  private constructor(url: string) {
    this.#target = new URL(url);
    this.#server = createServer((client) => this.#join(client));
  }

  get url(): string {
    const url = new URL(this.#target);
    url.port = String((this.#server.address() as AddressInfo).port);
    return String(url);
  }

  /** Breaks the next connection on which a transaction is committed. */
  cutAtCommit(when: Cut): void {
    this.#cut = when;
  }

  /** Whether the connection was broken that was to be. */
  get hasCut(): boolean {
    return this.#cut === undefined;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #join(client: Socket): void {
    const server = connect(Number(this.#target.port), this.#target.hostname);
    let isCut = false;
    const end = (): void => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("error", end);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        end();
      });
    }
    client.on("data", (data) => {
      // A packet begins with its length and its number, which is 0 for a command; 3 is COM_QUERY.
      if (data[3] === 0 && data[4] === 3) this.statements++;
      if (this.#cut && data.subarray(-6).equals(Buffer.from("COMMIT"))) {
        const when = this.#cut;
        this.#cut = undefined;
        if (when === "before") {
          end();
          return;
        }
        isCut = true;
      }
      server.write(data);
    });
    server.on("data", (data) => {
      // The answer may come in parts, the commit's being the last.
      if (isCut) setTimeout(end, 50);
      else client.write(data);
    });
  }
}
