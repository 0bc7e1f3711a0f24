import type { Call, Connection, History } from "../history.js";
import type { Disturbances } from "./disturbances.js";

/** A shorter time without a session may never have been one for the frontend, which can learn of the next session first. */
const SEEN_GAP_MS = 500;
/** How long before Redis loses everything a change may have been made that its frontend has not been told of. */
const TOLD_MS = 100;

/** What may have changed one membership: a call, or that the user had no session there. */
interface Step {
  type: "join" | "leave";
  start: number;
  end: number;
  /** Whether it is certain that it took effect between start and end, and that nothing has undone it. */
  isCertain: boolean;
}

/** Whether a user has a session at a frontend: a time for each life of the frontend, from when it is certain. */
interface Stay {
  frontend: string;
  from: number;
  to: number;
}

/**
 * The model of who is a member. Calls of different processes have no order but that one ended before the other began, so that
 * a membership can be certain, certainly not there, or possible.
 */
export class Memberships {
  readonly #steps = new Map<string, Step[]>();
  readonly #stays = new Map<string, Stay[]>();
  readonly #disturbances: Disturbances;

  constructor(
    { changes, destructions, connections, lives }: Pick<History, "changes" | "destructions" | "connections" | "lives">,
    disturbances: Disturbances,
  ) {
    this.#disturbances = disturbances;
    const endsOfLives = new Map(lives.map(({ id, endAt }) => [id, endAt]));
    for (const [place, list] of groupBy(connections, ({ uid, sid }) => at(uid, sid)))
      this.#stays.set(place, staysOf(list, endsOfLives));
    const livesOf = (sid: string): string[] => lives.filter((life) => life.sid === sid).map(({ id }) => id);
    for (const [key, list] of groupBy(changes, ({ name, uid, sid }) => keyOf(name, uid, sid))) {
      const { name, uid, sid } = list[0]!;
      const ends = destructions.filter((destruction) => destruction.name === name);
      const steps = [
        ...list.map((change) => this.#stepOf(change.type, change, livesOf(sid))),
        ...ends.map((destruction) => this.#stepOf("leave", destruction, livesOf(sid))),
      ];
      this.#steps.set(key, [...steps, ...this.#absences(at(uid, sid))]);
    }
  }

  /** `name`, `uid` and `sid` of every membership that was ever called for. */
  get keys(): string[] {
    return [...this.#steps.keys()];
  }

  /** Whether somebody can have been a member at some moment between two times. */
  isPossible(name: string, uid: string, sid: string, from: number, to: number): boolean {
    const steps = this.#steps.get(keyOf(name, uid, sid)) ?? [];
    return steps.some(
      (join) =>
        join.type === "join" &&
        join.start <= to &&
        !steps.some((leave) => leave.type === "leave" && leave.isCertain && isAfter(leave, join) && leave.end <= from),
    );
  }

  /** Whether somebody was a member all the time between two times, whatever the order of what happened at the same time. */
  isCertain(name: string, uid: string, sid: string, from: number, to: number): boolean {
    const steps = this.#steps.get(keyOf(name, uid, sid)) ?? [];
    return steps.some(
      (join) =>
        join.type === "join" &&
        join.isCertain &&
        join.end <= from &&
        !steps.some((leave) => leave.type === "leave" && leave.end > join.start && leave.start < to),
    );
  }

  /** Whether somebody may have been added while it had no session there, so that only a push notices. */
  mayLackSession(name: string, uid: string, sid: string): boolean {
    const joins = this.#steps.get(keyOf(name, uid, sid))?.filter(({ type }) => type === "join") ?? [];
    return joins.some(({ start, end }) => (this.stayAt(uid, sid, start)?.to ?? start) < end);
  }

  /** Since when a user has had a session at a frontend without a pause, as far as is certain; undefined if it had none then. */
  stayAt(uid: string, sid: string, time: number): Stay | undefined {
    return this.#stays.get(at(uid, sid))?.find(({ from, to }) => from <= time && time < to);
  }

  #stepOf(type: Step["type"], call: Call, lives: readonly string[]): Step {
    const { start, end, status, backend } = call;
    const isDone = status === "ok";
    return {
      type,
      start,
      // What has failed may still be on its way, but is not any more once all is well.
      end: isDone || end === Infinity ? end : this.#disturbances.calmFrom(end, [backend]),
      isCertain: isDone && !this.#isForgotten(type, call, lives),
    };
  }

  /**
   * Whether Redis has lost it before the frontend, which registers its members again, can have known of it. That somebody has left
   * it keeps for longer than a frontend is away here.
   */
  #isForgotten(type: Step["type"], { start, end }: Call, lives: readonly string[]): boolean {
    return this.#disturbances.losses.some((loss) => {
      if (loss.to < start) return false;
      if (loss.target !== "redis" && (type === "leave" || !lives.includes(loss.target))) return false;
      if (loss.from < end + TOLD_MS) return true;
      return loss.target === "redis" && this.#disturbances.calmFrom(end + TOLD_MS, lives, loss) > loss.from;
    });
  }

  /** The times in which a user had no session at a frontend: it leaves its channels there. */
  #absences(place: string): Step[] {
    const stays = this.#stays.get(place) ?? [];
    const starts = [{ to: -Infinity, frontend: undefined }, ...stays];
    return starts.map((before, index) => {
      const next = stays[index];
      const start = before.to;
      const end = next?.from ?? Infinity;
      const changedLife = before.frontend !== next?.frontend;
      const wasSeen =
        end - start > SEEN_GAP_MS && !this.#disturbances.between(start - SEEN_GAP_MS, end, [before.frontend ?? ""]);
      return { type: "leave", start, end, isCertain: changedLife || wasSeen };
    });
  }
}

export function keyOf(name: string, uid: string, sid: string): string {
  return `${name}\n${uid}\n${sid}`;
}

export function at(uid: string, sid: string): string {
  return `${uid}@${sid}`;
}

export function groupBy<T>(items: readonly T[], keyOfItem: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOfItem(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

function isAfter(step: Step, other: Step): boolean {
  return step.start >= other.end;
}

/** Connections of one user at one sid, joined where they overlap. None outlasts its frontend, whatever its client knows of it. */
function staysOf(connections: readonly Connection[], ends: ReadonlyMap<string, number | undefined>): Stay[] {
  const stays: Stay[] = [];
  const open = connections.filter(({ openAt }) => openAt !== undefined).toSorted((a, b) => a.openAt! - b.openAt!);
  for (const { frontend, openAt, closingAt: closedAt = Infinity } of open) {
    const closingAt = Math.min(closedAt, ends.get(frontend) ?? Infinity);
    const last = stays.at(-1);
    if (last && last.frontend === frontend && openAt! <= last.to) last.to = Math.max(last.to, closingAt);
    else stays.push({ frontend, from: openAt!, to: closingAt });
  }
  return stays;
}
