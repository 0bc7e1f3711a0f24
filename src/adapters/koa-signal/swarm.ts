import type { SseSession } from "../../connectors/sse/connector.js";

/** The peers of a swarm that are connected to this process. */
export class Swarm {
  readonly peers = new Set<SseSession>();
  #initiator: SseSession | undefined;
  /** The peers, anywhere, that the initiator knows of. */
  readonly #known = new Set<string>();
  /** Of whom something is heard while it is looked who is there. */
  #heardOf: Set<string> | undefined;
  /** Who of these was not found the last time. */
  #missing: ReadonlySet<string> = new Set();
  /** Whether the initiator, elsewhere, was not found the last time. */
  #isInitiatorMissing = false;

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

  /** Tells the initiator of all peers that it is to know of. */
  introduce(session: SseSession): void {
    if (session !== this.#initiator) return;
    for (const cid of this.#known) session.send("join", { id: this.id, cid });
  }

  /**
   * Of an initiator that is here: tells it what it has missed, by who is found now. Resolves whether somebody is missing for the first
   * time: its process may stand still, and be back the next time.
   */
  async correct(find: () => Promise<ReadonlySet<string>>): Promise<boolean> {
    const heardOf = (this.#heardOf = new Set());
    const found = await find().finally(() => (this.#heardOf = undefined));
    const missing = new Set([...this.#known].filter((cid) => !found.has(cid) && !heardOf.has(cid)));
    for (const cid of missing) if (this.#missing.has(cid)) this.left(cid);
    for (const cid of found) if (!heardOf.has(cid)) this.joined(cid);
    const isNew = ![...missing].every((cid) => this.#missing.has(cid));
    this.#missing = missing;
    return isNew;
  }

  /** Of an initiator that is elsewhere: ends the swarm where it is not found twice. Resolves whether it is missing for the first time. */
  confirm(isInitiatorFound: boolean): boolean {
    const isMissing = !isInitiatorFound;
    if (isMissing && this.#isInitiatorMissing) void this.end();
    const isNew = isMissing && !this.#isInitiatorMissing;
    this.#isInitiatorMissing = isMissing;
    return isNew;
  }

  /** Ends the streams of all peers here. Resolves when they are gone. */
  async end(): Promise<void> {
    await Promise.all(Array.from(this.peers, (session) => session.close()));
  }
}
