import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** Which way of a connection: what the client sends, or what the server answers. */
export type Direction = "requests" | "answers";

/** What goes one way: bytes, or how a side has ended. */
type Piece = Buffer | "end" | "reset";

export interface TcpProxyOptions {
  /** Is told what a client sends, before it goes on. */
  onRequest?: (link: Link, data: Buffer) => void;
  /** Gives what goes on of what the server answers. @default all of it */
  onAnswer?: (link: Link, data: Buffer) => Buffer;
}

/**
 * A TCP proxy on 127.0.0.1 before a server, which does to connections what networks do. Nothing that goes through is lost or
 * changes its order, unless the connection ends: what is held back arrives late, as what TCP sends again does.
 */
export class TcpProxy {
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #delays = { requests: 0, answers: 0 };
  readonly #held = { requests: false, answers: false };
  #refuses = false;

  /** @param serverPort where the server is, or gives for each connection where that goes */
  static async start(serverPort: number | (() => number), options: TcpProxyOptions = {}): Promise<TcpProxy> {
    const proxy = new TcpProxy(serverPort, options);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  private constructor(
    serverPort: number | (() => number),
    { onRequest, onAnswer = (_link, data) => data }: TcpProxyOptions,
  ) {
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      if (this.#refuses) {
        near.resetAndDestroy();
        return;
      }
      const port = typeof serverPort === "number" ? serverPort : serverPort();
      const far = connect({ port, host: "127.0.0.1", allowHalfOpen: true, noDelay: true });
      const link: Link = new Link(near, far, {
        requests: (data) => {
          onRequest?.(link, data);
          return data;
        },
        answers: (data) => onAnswer(link, data),
      });
      this.#apply(link);
      this.#links.add(link);
      void link.closed.then(() => this.#links.delete(link));
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** The open connections. */
  get links(): readonly Link[] {
    return [...this.#links];
  }

  /** Breaks every connection; both sides are told (RST). New ones are taken. */
  cut(): void {
    for (const link of this.#links) link.cut();
  }

  /** Everything takes this long more, both ways, also on new connections. */
  delay(ms: number): void {
    this.#delays.requests = this.#delays.answers = ms;
    this.#applyToAll();
  }

  /** From now on nothing comes through, also on new connections, and nobody is told. @param directions which ways */
  hold(directions: readonly Direction[] = ["requests", "answers"]): void {
    for (const direction of directions) this.#held[direction] = true;
    this.#applyToAll();
  }

  /** The server's sides of the connections break, and the clients are not told (no FIN) until all is well again. */
  vanish(): void {
    for (const link of this.#links) link.vanish();
  }

  /** New connections are reset. */
  refuse(): void {
    this.#refuses = true;
  }

  /** All is well again: what was held back arrives. */
  heal(): void {
    this.#refuses = false;
    this.#held.requests = this.#held.answers = false;
    this.#delays.requests = this.#delays.answers = 0;
    this.#applyToAll();
  }

  async stop(): Promise<void> {
    // First: nobody comes after the cut.
    this.#server.close();
    this.cut();
    await Promise.all([once(this.#server, "close"), ...this.links.map(({ closed }) => closed)]);
  }

  #applyToAll(): void {
    for (const link of this.#links) this.#apply(link);
  }

  #apply(link: Link): void {
    for (const direction of ["requests", "answers"] as const) {
      link.set(direction, { isHeld: this.#held[direction], delayMs: this.#delays[direction] });
    }
  }
}

/** One connection through a {@link TcpProxy}. */
export class Link {
  /** Resolves when both sides are gone. */
  readonly closed: Promise<unknown>;
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #ways: Record<Direction, Way>;
  readonly #filters: Record<Direction, (data: Buffer) => Buffer>;

  /** @param filters give what goes on of what comes */
  constructor(near: Socket, far: Socket, filters: Record<Direction, (data: Buffer) => Buffer>) {
    this.#near = near;
    this.#far = far;
    this.#filters = filters;
    this.#ways = { requests: new Way(far), answers: new Way(near) };
    this.closed = Promise.all([this.#read(near, "requests"), this.#read(far, "answers")]);
  }

  /** Holds back what goes one way, or delays it. */
  set(direction: Direction, { isHeld, delayMs }: { isHeld: boolean; delayMs: number }): void {
    this.#ways[direction].set(isHeld, delayMs);
  }

  /** Nothing comes through any more, neither way. */
  hold(): void {
    for (const way of Object.values(this.#ways)) way.set(true, 0);
  }

  /** Says something to the server in the client's name. */
  inject(data: string): void {
    this.#far.write(data);
  }

  cut(): void {
    reset(this.#near);
    reset(this.#far);
  }

  /** The server's side breaks, and the client is not told. */
  vanish(): void {
    this.#ways.answers.set(true, 0);
    reset(this.#far);
  }

  /** Resolves when this side is gone. */
  #read(from: Socket, direction: Direction): Promise<unknown> {
    const way = this.#ways[direction];
    from.on("data", (data) => way.pass(this.#filters[direction](data)));
    from.on("end", () => way.pass("end"));
    // What was reset closes, too.
    from.on("error", () => {});
    return new Promise((resolve) => {
      from.on("close", () => {
        way.pass("reset");
        resolve(undefined);
      });
    });
  }
}

/** One way of a connection: keeps the order of what it delays. */
class Way {
  readonly #to: Socket;
  readonly #pieces: { piece: Piece; dueAt: number }[] = [];
  #isHeld = false;
  #delayMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(to: Socket) {
    this.#to = to;
    to.on("close", () => clearTimeout(this.#timer));
  }

  set(isHeld: boolean, delayMs: number): void {
    this.#isHeld = isHeld;
    this.#delayMs = delayMs;
    this.#pump();
  }

  pass(piece: Piece): void {
    this.#pieces.push({ piece, dueAt: performance.now() + this.#delayMs });
    this.#pump();
  }

  #pump(): void {
    clearTimeout(this.#timer);
    if (this.#isHeld) return;
    for (;;) {
      const next = this.#pieces[0];
      if (!next || this.#to.destroyed) return;
      const waitMs = this.#delayMs === 0 ? 0 : next.dueAt - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#pump(), waitMs);
        return;
      }
      this.#pieces.shift();
      this.#write(next.piece);
    }
  }

  #write(piece: Piece): void {
    if (piece === "end") this.#to.end();
    else if (piece !== "reset") this.#to.write(piece);
    // Who has said all and is answered nothing more has ended well.
    else if (!this.#to.writableEnded) this.#to.resetAndDestroy();
  }
}

/** Breaks a connection, so that the other side is told (RST). One that has been ended cannot be reset by Node.js: its handle would stay. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else socket.resetAndDestroy();
}
