import { Redis } from "ioredis";
import type { Part } from "../support/bench.js";
import type { Claim } from "../support/claims.js";
import { progress } from "../support/progress.js";
import { inScope } from "../support/scope.js";
import { format, round } from "../support/statistics.js";
import { waitedMs } from "../support/server-cpu.js";
import { markdownTable } from "../support/table.js";
import { everything } from "./everything.js";
import { LargeCluster } from "./large-cluster.js";
import { ScriptNames } from "./script-names.js";
import { type SlowCommand, SlowLog } from "./slow-log.js";

/** What keeps Redis, which does one thing at a time, from everything else? */
export const slow: Part<SlowResult> = { slow: false, measure, tables, claims };

const FULL_USERS = 500_000;
const QUICK_USERS = 100_000;

/** From how long on a command is one too many. */
const TOO_SLOW_MS = 5;

interface StepResult {
  does: string;
  tookMs: number;
  /** How long Redis was ready to run and had no core. Undefined: the system does not tell. */
  redisWaitedMs: number | undefined;
  /** How many commands took a millisecond or more. */
  noticed: number;
  /** One of these; undefined: there is none. */
  slowest?: SlowCommand;
  tooSlow: SlowCommand[];
}

interface SlowResult {
  memberships: number;
  /** Joins and leaves that a listener was told of. */
  events: number;
  steps: StepResult[];
}

function measure(quick: boolean): Promise<SlowResult> {
  return inScope(async (scope) => {
    const users = quick ? QUICK_USERS : FULL_USERS;
    progress("slow: starting");
    const names = new ScriptNames();
    names.listen(scope);
    const cluster = await LargeCluster.start(scope, users);
    const client = new Redis(cluster.redis.url);
    scope.defer(() => client.disconnect());
    const log = await SlowLog.start(client, names);
    const steps: StepResult[] = [];
    for (const { does, run } of everything(cluster)) {
      progress(`slow: ${does}`);
      const waitedBefore = await waitedMs(cluster.redis.pid);
      const startedAt = performance.now();
      await run();
      const tookMs = round(performance.now() - startedAt);
      const waited = await waitedMs(cluster.redis.pid);
      const commands = await log.take();
      const [slowest] = commands;
      const tooSlow = commands.filter(({ ms }) => ms >= TOO_SLOW_MS);
      const redisWaitedMs = waited === undefined ? undefined : round(waited - (waitedBefore ?? 0));
      steps.push({ does, tookMs, redisWaitedMs, noticed: commands.length, ...(slowest && { slowest }), tooSlow });
    }
    await cluster.check();
    return { memberships: users * 2, events: cluster.events, steps };
  });
}

function tables({ memberships, events, steps }: SlowResult): string[] {
  const summary = markdownTable(
    `slow: the slowest command of Redis (\`SLOWLOG\`) in everything that the library does, with ${format(memberships)} memberships; a listener was told of ${format(events)} joins and leaves`,
    [
      ...["what is done", "takes ms", "Redis waited for a core, ms"],
      ...["slowest command, ms", "which", `commands of ${TOO_SLOW_MS} ms or more`],
    ],
    steps.map(({ does, tookMs, redisWaitedMs, slowest, tooSlow }) => [
      does,
      format(tookMs),
      redisWaitedMs === undefined ? "-" : format(redisWaitedMs),
      slowest ? format(slowest.ms) : "< 1",
      slowest?.command ?? "-",
      String(tooSlow.length),
    ]),
  );
  const rows = steps.flatMap(({ does, tooSlow }) => {
    return [...byName(tooSlow)].map(([name, all]) => [does, name, all.map(({ ms }) => format(ms)).join(", ")]);
  });
  if (rows.length === 0) return [summary];
  const title = `slow: commands of ${TOO_SLOW_MS} ms or more; both a script and a command of it may be among them`;
  return [summary, markdownTable(title, ["while", "command", "ms"], rows)];
}

function byName(commands: readonly SlowCommand[]): Map<string, SlowCommand[]> {
  const groups = new Map<string, SlowCommand[]>();
  for (const command of commands) groups.set(command.name, [...(groups.get(command.name) ?? []), command]);
  return groups;
}

function claims({ memberships, steps }: SlowResult): Claim[] {
  return [
    {
      claim: `commands that keep Redis busy for ${TOO_SLOW_MS} ms or more, with ${format(memberships)} memberships`,
      atMost: 0,
      measured: steps.reduce((sum, { tooSlow }) => sum + tooSlow.length, 0),
    },
  ];
}
