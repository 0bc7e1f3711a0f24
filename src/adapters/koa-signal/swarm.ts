import type { SseSession } from "../../connectors/sse/connector.js";

/** The peers of a swarm that are connected to this process. */
export class Swarm {
  readonly peers = new Set<SseSession>();
  #initiator: SseSession | undefined;
  /** The peers, anywhere, that the initiator knows of. */
  readonly #known = new Set<string>();
  /** Of whom something is heard while it is read who is there. */
  #heardOf: Set<string> | undefined;

  constructor(readonly id: string) {}

  /** The one who has opened it, where it is connected to this process. */
  get initiator(): SseSession | undefined {
    return this.#initiator;
  }

  add(session: SseSession, isInitiator: boolean): void {
    this.peers.add(session);
    if (isInitiator) this.#initiator = session;
  }

  /** A peer has joined, at whatever process. */
  joined(cid: string): void {
    this.#heardOf?.add(cid);
    if (!this.#initiator || this.#initiator.uid === cid || this.#known.has(cid)) return;
    this.#known.add(cid);
    this.#initiator.send("join", { id: this.id, cid });
  }

  left(cid: string): void {
    this.#heardOf?.add(cid);
    if (this.#known.delete(cid)) this.#initiator?.send("leave", { id: this.id, cid });
  }

  /** Tells the initiator what it has missed, as all peers say that there are. */
  async correct(read: () => Promise<ReadonlySet<string>>): Promise<void> {
    const heardOf = (this.#heardOf = new Set());
    const cids = await read().finally(() => (this.#heardOf = undefined));
    for (const cid of this.#known) if (!cids.has(cid) && !heardOf.has(cid)) this.left(cid);
    for (const cid of cids) if (!heardOf.has(cid)) this.joined(cid);
  }

  end(): void {
    for (const session of this.peers) void session.close();
  }
}
