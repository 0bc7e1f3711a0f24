import { setTimeout as sleep } from "node:timers/promises";
import { Random } from "../../chaos/random.js";
import type { NodeProcess } from "../../support/process.js";
import type { BackendApi, ObservedEvent } from "../backend-process.js";
import {
  eventually,
  numbers,
  type Owner,
  type RunningCluster,
  type RunningFrontend,
  startCluster,
} from "../cluster.js";
import type { Protection } from "../without.js";

export interface KillsPlan {
  seed: number;
  frontends: number;
  kills: number;
  /** Users of each frontend, each of whom is in each channel. */
  users: number;
  channels: number;
  /** @default all */
  restarts?: readonly Restart[];
  without?: readonly Protection[];
  say?: (progress: string) => void;
}

export interface KillsResult {
  kills: number;
  /** How many were killed together with others. */
  together: number;
  /** How many were started again under their sid, by when. */
  restarts: Record<Restart, number>;
  /** The memberships of all that were killed. */
  memberships: number;
  /** Of all listeners: memberships whose end was not told, and those of which it was told more than once. */
  missing: number;
  twice: number;
  /** Of all listeners: leaves of other reasons or of memberships that nobody had. */
  strange: number;
  /** Memberships that were taken out though their frontend lived, as it came too late, and were restored. */
  restored: number;
}

/** When a frontend that was killed is started again under its sid. */
type Restart = (typeof RESTARTS)[number];
const RESTARTS = ["before its lease ends", "during the grace", "after the grace", "never"] as const;

/** Short, so that many kills take little time; no shorter, as those who live have to renew them on a busy machine. */
const LEASE_MS = 1000;
const GRACE_MS = 600;
const LISTENERS = 3;
const MAX_TOGETHER = 3;
const PATIENCE_MS = 30_000;
/** Where a protection is switched off, what is missing never comes. */
const WITHOUT_PATIENCE_MS = 3000;
const LAST = "last";

/** Kills frontends, some at the same time, while several services clean up, and counts what each listener is told. */
export async function killAgainAndAgain(owner: Owner, plan: KillsPlan): Promise<KillsResult> {
  const random = new Random(plan.seed, "kills");
  const cluster = await startCluster(owner, {
    ...{ frontends: plan.frontends, backends: LISTENERS, leaseMs: LEASE_MS, graceMs: GRACE_MS, reapIntervalMs: 100 },
    ...{ hasNamedSessions: true, without: plan.without ?? [] },
  });
  const { backends, frontends } = cluster;
  const tallies = backends.map((backend) => new Tally(backend));
  const lives: Life[] = [];
  const begin = async (frontend: RunningFrontend): Promise<Life> => {
    const life = new Life(frontend, lives.length, plan);
    lives.push(life);
    await life.begin(backends[0]!);
    return life;
  };
  const alive = new Set<Life>();
  for (const frontend of frontends) alive.add(await begin(frontend));

  const restarts = Object.fromEntries(RESTARTS.map((restart) => [restart, 0])) as Record<Restart, number>;
  let [kills, together] = [0, 0];
  while (kills < plan.kills) {
    plan.say?.(`${kills} of ${plan.kills} kills`);
    const count = Math.min(random.integer(1, MAX_TOGETHER), plan.kills - kills);
    const victims = random.some([...alive], count);
    const fates = victims.map((life) => ({
      life,
      restart: random.pick(plan.restarts ?? RESTARTS),
      inGraceMs: random.integer(0, GRACE_MS),
    }));
    if (count > 1) together += count;
    kills += count;
    await Promise.all(victims.map(({ frontend }) => frontend.process.kill()));
    for (const life of victims) alive.delete(life);
    for (const { restart } of fates) restarts[restart]++;
    await Promise.all(
      fates.map(async (fate) => alive.add(await begin(await replace(cluster, fate, `connector-new-${lives.length}`)))),
    );
    await Promise.all(tallies.map((one) => one.take()));
  }
  const ended = lives.filter((life) => !alive.has(life)).flatMap(({ keys }) => keys);
  // Whoever is told too little is judged by what is counted.
  const isTold = (): boolean => tallies.every((one) => one.judge(ended).missing === 0);
  const patienceMs = plan.without ? WITHOUT_PATIENCE_MS : PATIENCE_MS;
  await eventually(async () => (await Promise.all(tallies.map((one) => one.take()))) && isTold(), patienceMs).catch(
    () => {},
  );
  // Whoever is told twice is told before this.
  await backends[0]!.call("addMany", [{ name: LAST, uid: LAST, sid: [...alive][0]!.frontend.sid }]);
  await eventually(
    async () => (await Promise.all(tallies.map((one) => one.take()))) && tallies.every(({ isLast }) => isLast),
    PATIENCE_MS,
  );
  const judged = tallies.map((one) => one.judge(ended));
  const sum = (value: (one: Judgement) => number): number => judged.reduce((total, one) => total + value(one), 0);
  return {
    ...{ kills, together, restarts, memberships: ended.length },
    ...{
      missing: sum(({ missing }) => missing),
      twice: sum(({ twice }) => twice),
      strange: sum(({ strange }) => strange),
    },
    restored: Math.max(...tallies.map((one) => one.restored)),
  };
}

/** Starts a frontend in the place of one that was killed, when it is time. */
async function replace(
  { startFrontend }: RunningCluster,
  { life: { frontend }, restart, inGraceMs }: { life: Life; restart: Restart; inGraceMs: number },
  newSid: string,
): Promise<RunningFrontend> {
  // A lease that was renewed just before the kill ends a lease later.
  if (restart === "during the grace") await sleep(LEASE_MS + inGraceMs);
  if (restart === "after the grace") await sleep(LEASE_MS + 2 * GRACE_MS);
  return startFrontend({ sid: restart === "never" ? `${newSid}-${frontend.sid}` : frontend.sid });
}

interface Judgement {
  missing: number;
  twice: number;
  strange: number;
}

/** What one listener was told. */
export class Tally {
  readonly #listener: { call(name: "takeEvents"): Promise<ObservedEvent[]> };
  /** How often a frontend's death is told to have ended a membership, less how often it was restored. */
  readonly #ends = new Map<string, number>();
  #otherReasons = 0;
  /** How many joins were told of memberships that were restored. */
  restored = 0;
  /** Whether it was told of what was done last. */
  isLast = false;

  constructor(listener: { call(name: "takeEvents"): Promise<ObservedEvent[]> }) {
    this.#listener = listener;
  }

  /** Counts what it was told since the last time. */
  async take(): Promise<void> {
    for (const { type, reason, name, uid } of await this.#listener.call("takeEvents")) {
      const key = keyOf(name, uid);
      if (name === LAST) this.isLast = true;
      else if (reason === "server-down") this.#ends.set(key, (this.#ends.get(key) ?? 0) + 1);
      else if (reason === "restored") {
        this.restored++;
        this.#ends.set(key, (this.#ends.get(key) ?? 0) - 1);
      } else if (type === "leave") this.#otherReasons++;
    }
  }

  /** @param ended the memberships that have ended */
  judge(ended: readonly string[]): Judgement {
    const counts = ended.map((key) => this.#ends.get(key) ?? 0);
    const all = [...this.#ends.values()].reduce((total, count) => total + count, 0);
    const expected = counts.reduce((total, count) => total + count, 0);
    return {
      missing: counts.filter((count) => count < 1).length,
      twice: counts.filter((count) => count > 1).length,
      strange: this.#otherReasons + Math.abs(all - expected),
    };
  }
}

function keyOf(name: string, uid: string): string {
  return `${name} ${uid}`;
}

/** One life of a frontend, with users that no other has. */
class Life {
  readonly frontend: RunningFrontend;
  readonly #uids: readonly string[];
  readonly #names: readonly string[];

  constructor(frontend: RunningFrontend, number: number, { users, channels }: KillsPlan) {
    this.frontend = frontend;
    this.#uids = numbers(users).map((n) => `life-${number}-${n}`);
    this.#names = numbers(channels).map((n) => `channel-${n}`);
  }

  /** What names each of its memberships. */
  get keys(): string[] {
    return this.#names.flatMap((name) => this.#uids.map((uid) => keyOf(name, uid)));
  }

  async begin(backend: NodeProcess<BackendApi>): Promise<void> {
    const { sid, process } = this.frontend;
    await process.call("open", this.#uids);
    const memberships = this.#names.flatMap((name) => this.#uids.map((uid) => ({ name, uid, sid })));
    await backend.call("addMany", memberships);
  }
}
