import type { SseSession } from "../../connectors/sse/connector.js";

/**
 * For how long somebody must not be found to count as gone, in milliseconds: a process that stands still is back by then, or its peers
 * are taken out, which is heard.
 */
export const GONE_AFTER_MS = 10_000;

/** The peers of a swarm that are connected to this process. */
export class Swarm {
  readonly peers = new Set<SseSession>();
  #initiator: SseSession | undefined;
  /** The peers, anywhere, that the initiator knows of. */
  readonly #known = new Set<string>();
  /** Of whom something is heard while it is looked who is there. */
  #heardOf: Set<string> | undefined;
  /** Since when known peers were not found, by the clock of this process. */
  #missingSince = new Map<string, number>();
  /** Since when the initiator, elsewhere, was not found. */
  #initiatorMissingSince: number | undefined;

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
   * Of an initiator that is here: tells it what it has missed, by who is found now. Who is missing has left if that is so for
   * {@link GONE_AFTER_MS}. Resolves whether it is to be looked again.
   */
  async correctPeers(find: () => Promise<ReadonlySet<string>>): Promise<boolean> {
    const heardOf = (this.#heardOf = new Set());
    const found = await find().finally(() => (this.#heardOf = undefined));
    const missing = [...this.#known].filter((cid) => !found.has(cid) && !heardOf.has(cid));
    const now = performance.now();
    const since = new Map(missing.map((cid) => [cid, this.#missingSince.get(cid) ?? now]));
    for (const [cid, at] of since) {
      if (now - at < GONE_AFTER_MS) continue;
      since.delete(cid);
      this.left(cid);
    }
    this.#missingSince = since;
    for (const cid of found) if (!heardOf.has(cid)) this.joined(cid);
    return since.size > 0;
  }

  /** The same of an initiator that is elsewhere, with which the swarm ends. */
  correctInitiator(isFound: boolean): boolean {
    const now = performance.now();
    const since = isFound ? undefined : (this.#initiatorMissingSince ?? now);
    this.#initiatorMissingSince = since;
    if (since === undefined) return false;
    if (now - since < GONE_AFTER_MS) return true;
    void this.end();
    return false;
  }

  /** Ends the streams of all peers here. Resolves when they are gone. */
  async end(): Promise<void> {
    await Promise.all(Array.from(this.peers, (session) => session.close()));
  }
}
