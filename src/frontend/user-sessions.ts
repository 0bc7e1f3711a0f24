/** Counts the open sessions of each user. */
export class UserSessions {
  readonly #counts = new Map<string, number>();

  /** Counts one more; returns whether it is the user's first. */
  open(uid: string): boolean {
    const count = this.#counts.get(uid) ?? 0;
    this.#counts.set(uid, count + 1);
    return count === 0;
  }

  /** Counts one less; returns whether it was the user's last. */
  close(uid: string): boolean {
    const count = this.#counts.get(uid);
    if (count === undefined) return false;
    if (count > 1) this.#counts.set(uid, count - 1);
    else this.#counts.delete(uid);
    return count === 1;
  }

  has(uid: string): boolean {
    return this.#counts.has(uid);
  }

  uids(): string[] {
    return [...this.#counts.keys()];
  }

  /** How many users have a session. */
  get size(): number {
    return this.#counts.size;
  }
}
