/** What the cluster should be, in the plainest way: sets of `uid@sid`. Uids and sids of the model have no `@`. */
export class Model {
  /** channel -> members */
  readonly channels = new Map<string, Set<string>>();
  /** `uid@sid` -> open sessions */
  readonly sessions = new Map<string, number>();
  /** Who has gone: an `add` of one who has just gone is taken back, as one that was under way when the last session closed. */
  readonly departed = new Set<string>();

  members(name: string): Set<string> {
    const members = this.channels.get(name) ?? new Set();
    this.channels.set(name, members);
    return members;
  }

  isConnected(place: string): boolean {
    return this.sessions.has(place);
  }

  /** Ends one session; the last one takes the user out of its channels. */
  close(place: string): void {
    const count = this.sessions.get(place)! - 1;
    if (count > 0) {
      this.sessions.set(place, count);
      return;
    }
    this.sessions.delete(place);
    this.departed.add(place);
    for (const members of this.channels.values()) members.delete(place);
  }

  open(place: string): void {
    this.sessions.set(place, (this.sessions.get(place) ?? 0) + 1);
    this.departed.delete(place);
  }

  takeBackAdds(): void {
    for (const members of this.channels.values()) {
      for (const place of this.departed) members.delete(place);
    }
  }

  /** Everything at a frontend ends. */
  stop(sid: string): void {
    for (const place of [...this.sessions.keys()].filter((open) => sidOf(open) === sid)) this.sessions.delete(place);
    for (const place of this.departed) if (sidOf(place) === sid) this.departed.delete(place);
    for (const members of this.channels.values()) {
      for (const place of members) if (sidOf(place) === sid) members.delete(place);
    }
  }

  /** The channels of a user at the frontends where it has sessions. */
  channelsOf(uid: string): string[] {
    return [...this.channels.keys()].filter((name) =>
      [...this.members(name)].some((place) => uidOf(place) === uid && this.isConnected(place)),
    );
  }

  sidsOf(uid: string): string[] {
    return [...this.sessions.keys()].filter((place) => uidOf(place) === uid).map(sidOf);
  }
}

export function at(uid: string, sid: string): string {
  return `${uid}@${sid}`;
}

export function uidOf(place: string): string {
  return place.split("@")[0]!;
}

export function sidOf(place: string): string {
  return place.split("@")[1]!;
}
