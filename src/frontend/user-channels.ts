/** Which channels each user is in, or was: users without any are not kept. */
export class UserChannels {
  readonly #names = new Map<string, Set<string>>();

  /** How many users there are. */
  get size(): number {
    return this.#names.size;
  }

  /** Returns whether it was not there. */
  add(uid: string, name: string): boolean {
    const names = this.#names.get(uid);
    if (names?.has(name)) return false;
    if (names) names.add(name);
    else this.#names.set(uid, new Set([name]));
    return true;
  }

  /** Returns whether it was there. */
  delete(uid: string, name: string): boolean {
    const names = this.#names.get(uid);
    const wasThere = names?.delete(name) ?? false;
    if (names?.size === 0) this.#names.delete(uid);
    return wasThere;
  }

  has(uid: string): boolean {
    return this.#names.has(uid);
  }

  of(uid: string): string[] {
    return [...(this.#names.get(uid) ?? [])];
  }

  /** Takes all channels of a user out. */
  deleteAll(uid: string): void {
    this.#names.delete(uid);
  }

  all(): { uid: string; name: string }[] {
    return [...this.#names].flatMap(([uid, names]) => [...names].map((name) => ({ uid, name })));
  }
}
