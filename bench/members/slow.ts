import { Redis } from "ioredis";
import type { Part } from "../support/bench.js";
import type { Claim } from "../support/claims.js";
import { progress } from "../support/progress.js";
import { inScope } from "../support/scope.js";
import { format, type Measured, measured } from "../support/statistics.js";
import { waitedMs } from "../support/server-cpu.js";
import { markdownTable } from "../support/table.js";
import { everything } from "./everything.js";
import { LargeCluster } from "./large-cluster.js";
import { ScriptNames } from "../support/script-names.js";
import { type SlowCommand, SlowLog } from "../support/slow-log.js";

/** What keeps Redis, which does one thing at a time, from everything else? */
export const slow: Part<SlowResult> = { slow: false, measure, tables, claims };

const FULL = { users: 500_000, rounds: 5 };
const QUICK = { users: 100_000, rounds: 1 };

/** What the slowest command of a step may take, as the median of the rounds; each that takes longer is listed. */
const TOO_SLOW_MS = 5;

interface Step {
  does: string;
  tookMs: number;
  /** How long Redis was ready to run and had no core. Undefined: the system does not tell. */
  redisWaitedMs: number | undefined;
  /** The commands that took a millisecond or more, the slowest first. */
  noticed: SlowCommand[];
}

/** A step in all rounds: what is slow in one of them may be the machine that has stood still. */
interface StepResult {
  does: string;
  tookMs: Measured;
  redisWaitedMs: Measured | undefined;
  /** The longest that a command took; 0 where none took a millisecond. */
  slowestMs: Measured;
  /** One that took the longest, in the round in which it did. */
  slowestCommand: string | undefined;
  /** Of each round. */
  tooSlow: SlowCommand[][];
}

interface SlowResult {
  memberships: number;
  /** Joins and leaves that a listener was told of in the first round. */
  events: number;
  steps: StepResult[];
}

async function measure(quick: boolean): Promise<SlowResult> {
  const { users, rounds } = quick ? QUICK : FULL;
  const done: Awaited<ReturnType<typeof measureRound>>[] = [];
  for (let round = 1; round <= rounds; round++)
    done.push(await measureRound(users, `slow, round ${round} of ${rounds}`));
  const { events, steps } = done[0]!;
  return {
    ...{ memberships: users * 2, events },
    steps: steps.map((_, index) => summarize(done.map((round) => round.steps[index]!))),
  };
}

/** On a Redis of its own. */
function measureRound(users: number, label: string): Promise<{ events: number; steps: Step[] }> {
  return inScope(async (scope) => {
    progress(`${label}: starting`);
    const names = new ScriptNames();
    names.listen(scope);
    const cluster = await LargeCluster.start(scope, users);
    const client = new Redis(cluster.redis.url);
    scope.defer(() => client.disconnect());
    const log = await SlowLog.start(client, names);
    const steps: Step[] = [];
    for (const { does, run } of everything(cluster)) {
      progress(`${label}: ${does}`);
      const waitedBefore = await waitedMs(cluster.redis.pid);
      const startedAt = performance.now();
      await run();
      const tookMs = performance.now() - startedAt;
      const waited = await waitedMs(cluster.redis.pid);
      const redisWaitedMs = waited === undefined ? undefined : waited - (waitedBefore ?? 0);
      steps.push({ does, tookMs, redisWaitedMs, noticed: await log.take() });
    }
    await cluster.check();
    return { events: cluster.events, steps };
  });
}

function summarize(steps: readonly Step[]): StepResult {
  const waited = steps.flatMap(({ redisWaitedMs }) => redisWaitedMs ?? []);
  const slowest = steps.flatMap(({ noticed }) => noticed[0] ?? []).toSorted((a, b) => b.ms - a.ms);
  return {
    does: steps[0]!.does,
    tookMs: measured(steps.map(({ tookMs }) => tookMs)),
    redisWaitedMs: waited.length > 0 ? measured(waited) : undefined,
    slowestMs: measured(steps.map(({ noticed }) => noticed[0]?.ms ?? 0)),
    slowestCommand: slowest[0]?.command,
    tooSlow: steps.map(({ noticed }) => noticed.filter(({ ms }) => ms > TOO_SLOW_MS)),
  };
}

function tables({ memberships, events, steps }: SlowResult): string[] {
  const summary = markdownTable(
    `slow: the slowest command of Redis (\`SLOWLOG\`) in everything that the library does, with ${format(memberships)} memberships; a listener was told of ${format(events)} joins and leaves in the first round`,
    [
      ...["what is done", "takes ms", "Redis waited for a core, ms"],
      ...["slowest command, ms", "which, in the slowest round", `commands over ${TOO_SLOW_MS} ms, by rounds`],
    ],
    steps.map(({ does, tookMs, redisWaitedMs, slowestMs, slowestCommand, tooSlow }) => [
      does,
      format(tookMs.median),
      redisWaitedMs === undefined ? "-" : format(redisWaitedMs.median),
      shown(slowestMs),
      slowestCommand ?? "-",
      tooSlow.map(({ length }) => length).join(", "),
    ]),
  );
  const rows = steps.flatMap(({ does, tooSlow }) =>
    tooSlow.flatMap((commands, index) =>
      [...byName(commands)].map(([name, all]) => [
        ...[does, String(index + 1), name],
        all.map(({ ms }) => format(ms)).join(", "),
      ]),
    ),
  );
  if (rows.length === 0) return [summary];
  const title = `slow: commands over ${TOO_SLOW_MS} ms; both a script and a command of it may be among them`;
  return [summary, markdownTable(title, ["while", "round", "command", "ms"], rows)];
}

function shown({ median, min, max }: Measured): string {
  const [middle, from, to] = [median, min, max].map((ms) => (ms === 0 ? "< 1" : format(ms)));
  return from === to ? middle! : `${middle} (${from}-${to})`;
}

function byName(commands: readonly SlowCommand[]): Map<string, SlowCommand[]> {
  const groups = new Map<string, SlowCommand[]>();
  for (const command of commands) groups.set(command.name, [...(groups.get(command.name) ?? []), command]);
  return groups;
}

function claims({ memberships, steps }: SlowResult): Claim[] {
  const [slowest] = steps.map(({ slowestMs }) => slowestMs).toSorted((a, b) => b.median - a.median);
  return [
    {
      claim: `the slowest command of a step, ms, median of the rounds, at worst, with ${format(memberships)} memberships`,
      atMost: TOO_SLOW_MS,
      measured: slowest!,
    },
  ];
}
