/** The open sessions of each user; users without any are not kept. */
export class SessionsByUser<S extends { readonly uid: string }> {
  readonly #users = new Map<string, S[]>();

  /** How many users have sessions. */
  get size(): number {
    return this.#users.size;
  }

  add(session: S): void {
    const sessions = this.#users.get(session.uid);
    if (sessions === undefined) this.#users.set(session.uid, [session]);
    else sessions.push(session);
  }

  /** Lists that were given before stay as they were. */
  delete(session: S): void {
    const others = this.of(session.uid).filter((other) => other !== session);
    if (others.length > 0) this.#users.set(session.uid, others);
    else this.#users.delete(session.uid);
  }

  of(uid: string): readonly S[] {
    return this.#users.get(uid) ?? [];
  }

  uids(): Iterable<string> {
    return this.#users.keys();
  }

  entries(): Iterable<[uid: string, sessions: readonly S[]]> {
    return this.#users;
  }
}
