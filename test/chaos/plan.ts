import { Random } from "./random.js";
import type { FaultKind, Settings } from "./settings.js";

/** What is to be done to one process, its way to Redis, or Redis itself, and undone after `ms`. */
export interface PlannedFault {
  /** Milliseconds from the beginning of the run. */
  at: number;
  ms: number;
  kind: FaultKind;
  target: { role: "frontend" | "backend"; index: number } | { role: "redis" };
  /** Of what the kind leaves open: a delay, a direction, a type of connections, whether the sid stays. */
  detail: number;
}

/** What the application or a user is to do. */
export type PlannedOp = { at: number; backend: number } & (
  | { type: "join" | "leave"; uid: string; name: string; place: number }
  | { type: "push"; names: string[]; except: string[] }
  | { type: "pushToUsers"; uids: string[] }
  | { type: "broadcast"; except: string[] }
  | { type: "read" | "destroy"; name: string }
  | { type: "reconnect"; device: number; to: number }
);

type Range = readonly [from: number, to: number];

/** How long each kind lasts, in milliseconds: one of these ranges. */
const LENGTHS: Record<FaultKind, readonly Range[]> = {
  "kill-frontend": [
    [200, 1500],
    [4000, 7000],
  ],
  // Shorter than the lease, longer than it, longer than lease and grace.
  "stop-frontend": [
    [200, 1200],
    [1800, 3000],
    [4000, 6000],
  ],
  // Mostly longer than another one needs to take its place.
  "replace-frontend": [[1500, 6000]],
  "roll-frontend": [[50, 400]],
  cut: [[0, 0]],
  delay: [[500, 4000]],
  hold: [
    [200, 1200],
    [2000, 6000],
  ],
  "half-open": [
    [200, 1200],
    [2000, 6000],
  ],
  vanish: [[500, 5000]],
  refuse: [[500, 3000]],
  "kill-backend": [[200, 2000]],
  "stop-backend": [[200, 3000]],
  flush: [[0, 0]],
  "kill-redis": [[100, 2500]],
  "stop-redis": [[200, 2500]],
  "kill-clients": [[0, 0]],
  clock: [[0, 0]],
};

const LINK_FAULTS = ["cut", "delay", "hold", "half-open", "vanish", "refuse"] as const;
const FRONTEND_FAULTS = [
  "kill-frontend",
  "kill-frontend",
  "stop-frontend",
  "stop-frontend",
  "replace-frontend",
  "roll-frontend",
] as const;
const BACKEND_FAULTS = ["kill-backend", "stop-backend"] as const;
const REDIS_FAULTS = ["flush", "kill-redis", "stop-redis", "kill-clients"] as const;

/** The pause between two faults of one target, in milliseconds. */
const PAUSES: Record<PlannedFault["target"]["role"], Range> = {
  frontend: [2500, 8000],
  backend: [4000, 12_000],
  redis: [9000, 20_000],
};
/** When the first fault of a target comes, at the earliest and latest. */
const FIRST: Range = [800, 4000];

/** When which fault comes: one at a time for each target, those of different targets at the same time. */
export function planFaults({ seed, seconds, frontends, backends, only }: Settings): PlannedFault[] {
  const among = (kinds: readonly FaultKind[]): FaultKind[] => kinds.filter((kind) => only.includes(kind));
  const targets = [
    ...indices(frontends).map((index) => ({ role: "frontend" as const, index })),
    ...indices(backends).map((index) => ({ role: "backend" as const, index })),
    { role: "redis" as const },
  ];
  const kindsOf = {
    frontend: among([...FRONTEND_FAULTS, ...LINK_FAULTS]),
    backend: among([...BACKEND_FAULTS, ...LINK_FAULTS]),
    redis: among(REDIS_FAULTS),
  };
  const faults = targets.flatMap((target) => {
    const random = new Random(seed, `faults of ${JSON.stringify(target)}`);
    const planned: PlannedFault[] = [];
    if (kindsOf[target.role].length === 0) return planned;
    for (let at = random.integer(...FIRST); ; at += random.integer(...PAUSES[target.role])) {
      const kind = random.pick(kindsOf[target.role]);
      const ms = random.integer(...random.pick(LENGTHS[kind]));
      if (at + ms > seconds * 1000) return planned;
      planned.push({ at, ms, kind, target, detail: random.integer(0, 999) });
      at += ms;
    }
  });
  return faults.toSorted((a, b) => a.at - b.at);
}

/** How often each op comes, of 500. */
const SHARES: readonly (readonly [PlannedOp["type"], number])[] = [
  ["push", 269],
  ["pushToUsers", 20],
  ["broadcast", 10],
  ["join", 95],
  ["leave", 60],
  ["destroy", 1],
  ["read", 20],
  ["reconnect", 25],
];

/** What is done when, evenly over the run. */
export function planOps(settings: Settings): PlannedOp[] {
  const { seed, seconds, backends, opsPerSecond } = settings;
  const random = new Random(seed, "ops");
  const types = SHARES.flatMap(([type, share]) => Array<PlannedOp["type"]>(share).fill(type));
  const [uids, names] = [uidsOf(settings), namesOf(settings)];
  const few = (items: readonly string[], most: number): string[] => random.some(items, random.integer(0, most));
  return indices(seconds * opsPerSecond).map((index) => {
    const at = (index * 1000) / opsPerSecond;
    const base = { at, backend: random.integer(0, backends - 1) };
    const type = random.pick(types);
    switch (type) {
      case "join":
      case "leave":
        return { ...base, type, uid: random.pick(uids), name: random.pick(names), place: random.integer(0, 9) };
      case "push":
        return {
          ...base,
          type,
          names: random.some(names, random.chance(0.9) ? 1 : 3),
          except: random.chance(0.2) ? few(uids, 5) : [],
        };
      case "pushToUsers":
        return { ...base, type, uids: few(uids, 6) };
      case "broadcast":
        return { ...base, type, except: few(uids, 3) };
      case "read":
      case "destroy":
        return { ...base, type, name: random.pick(names) };
      case "reconnect":
        return { ...base, type, device: random.integer(0, 999), to: random.integer(0, 999) };
    }
  });
}

export function uidsOf({ users }: Settings): string[] {
  return indices(users).map((index) => `user-${index}`);
}

export function namesOf({ channels }: Settings): string[] {
  return indices(channels).map((index) => `room ${index}`);
}

/** The channels that a user joins wherever it connects: about half of them. */
export function homesOf(settings: Settings): Map<string, string[]> {
  const random = new Random(settings.seed, "homes");
  return new Map(uidsOf(settings).map((uid) => [uid, namesOf(settings).filter(() => random.chance(0.5))]));
}

export function indices(count: number): number[] {
  return [...Array(count).keys()];
}
