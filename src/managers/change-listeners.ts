import type { ChangeListener, MemberSetChange } from "../types.js";

/** Who is told of the changes at which frontends. */
export class ChangeListeners {
  readonly #bySid = new Map<string, Set<ChangeListener>>();
  readonly #ofAll = new Set<ChangeListener>();
  readonly #report: (error: unknown) => void;

  /** @param report gets what listeners throw */
  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  /** Adds one for a frontend, or for all of them. Returns what removes it. */
  add(listener: ChangeListener, sid?: string): () => void {
    // An object of its own for each watch: the same listener may be given twice.
    const own: ChangeListener = { change: (change) => listener.change(change), gap: () => listener.gap?.() };
    if (sid === undefined) {
      this.#ofAll.add(own);
      return () => void this.#ofAll.delete(own);
    }
    const listeners = this.#bySid.get(sid) ?? new Set();
    this.#bySid.set(sid, listeners.add(own));
    return () => {
      listeners.delete(own);
      if (listeners.size === 0 && this.#bySid.get(sid) === listeners) this.#bySid.delete(sid);
    };
  }

  /** Whether there is any at all. */
  get isAny(): boolean {
    return this.#bySid.size + this.#ofAll.size > 0;
  }

  /** Whether there is one for all frontends. */
  get isForAll(): boolean {
    return this.#ofAll.size > 0;
  }

  /** Whether there is one for just this frontend. */
  has(sid: string): boolean {
    return this.#bySid.has(sid);
  }

  clear(): void {
    this.#bySid.clear();
    this.#ofAll.clear();
  }

  tell(change: MemberSetChange): void {
    this.#each(change.sid, (listener) => listener.change(change));
  }

  /** Tells that changes at a frontend may have been missed. */
  tellGap(sid: string): void {
    this.#each(sid, (listener) => listener.gap?.());
  }

  #each(sid: string, tell: (listener: ChangeListener) => void): void {
    for (const listener of [...(this.#bySid.get(sid) ?? []), ...this.#ofAll]) {
      try {
        tell(listener);
      } catch (error) {
        // The change is made: neither its maker nor the other listeners are to suffer.
        this.#report(error);
      }
    }
  }
}
