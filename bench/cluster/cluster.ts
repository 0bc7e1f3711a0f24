import type { NodeProcess } from "../../test/support/process.js";
import type { ContenderName } from "../contenders/contender.js";
import { protocolOf, RECEIVER_OF, type ReceiverName } from "../contenders/index.js";
import type { Load } from "../support/load.js";
import { type Profiled, profiled } from "../support/profiling.js";
import type { Scope } from "../support/scope.js";
import { channelMembers, type Channels } from "./channels.js";
import type { ClientsApi } from "./client-process.js";
import type { Participants } from "./participants.js";
import { type ClusterOptions, type ClusterProcesses, startClients, startProcesses } from "./processes.js";
import { applyRateRun, type RateRun } from "./rate-run.js";
import type { RateSample } from "./rate-sample.js";
import { untilReady } from "./ready.js";
import { applyRun, type Run } from "./run.js";
import type { Sample } from "./sample.js";
import { costsBetween, readUsages } from "./usages.js";

/** Real processes on a Redis of their own: frontends, a backend for each contender, and clients. */
export class BenchCluster {
  readonly #scope: Scope;
  readonly #processes: ClusterProcesses;
  /** What profiles say of its Redis, besides the contender. */
  readonly #on: string;
  readonly #clients = new Map<ReceiverName, readonly NodeProcess<ClientsApi>[]>();

  private constructor(scope: Scope, processes: ClusterProcesses, { primaries }: ClusterOptions) {
    this.#scope = scope;
    this.#processes = processes;
    this.#on = primaries === undefined ? "" : ` on ${primaries} primaries`;
  }

  /** Everything ends with `scope`. */
  static async start(scope: Scope, options: ClusterOptions): Promise<BenchCluster> {
    return new BenchCluster(scope, await startProcesses(scope, options), options);
  }

  /**
   * Makes members, for some contenders or all. Where there are no clients, waits until what each of them pushes to the members
   * comes to all frontends.
   */
  async fill(
    channels: Channels,
    contenders: readonly ContenderName[] = [...this.#processes.backends.keys()],
  ): Promise<void> {
    const { backends, frontends, ports, sids } = this.#processes;
    for (const contender of contenders) await backends.get(contender)!.call("fill", channels);
    const receivers = contenders.map((contender) => RECEIVER_OF[contender]);
    await Promise.all(frontends.map((process) => process.call("fill", channels, sids, receivers)));
    if (ports.some((those) => Object.keys(those).length > 0)) return;
    for (const contender of contenders) await untilReady(this.#participants(contender), channels);
  }

  /**
   * Connects a real client for each member of a channel, for each contender that has clients; call it after {@link fill}. Waits
   * until what each contender pushes comes to all of them.
   */
  async connectClients(channels: Channels): Promise<void> {
    const { backends, ports, sids } = this.#processes;
    const members = channelMembers(channels, sids);
    for (const receiver of Object.keys(ports[0]!) as ReceiverName[]) {
      const places = members.map(({ uid, sid }) => ({ uid, port: ports[sids.indexOf(sid)]![receiver]! }));
      this.#clients.set(receiver, await startClients(this.#scope, places, protocolOf(receiver)));
    }
    for (const contender of backends.keys()) await untilReady(this.#participants(contender), channels);
  }

  /**
   * Applies loads that are not measured. The processes are young: until they have handled some thousands of pushes, most of what
   * they do is not compiled to its final form, and costs three times as much.
   */
  async warmUp(contender: ContenderName, run: Omit<Run, "load">, loads: readonly Load[]): Promise<void> {
    for (const load of loads) await applyRun(this.#participants(contender), { ...run, load });
  }

  /** Applies a load to one contender, and sees what it has cost whom. */
  async measure(contender: ContenderName, run: Run): Promise<Sample> {
    const { load } = run;
    const participants = this.#participants(contender);
    const ahead = { ...load, durationMs: load.durationMs / 5, maxCalls: Math.ceil(load.maxCalls / 5) };
    await applyRun(participants, { ...run, load: ahead });
    const { redis } = this.#processes;
    const before = await readUsages(participants, redis);
    let after = before;
    const result = await profiled(this.#profileOf(participants, run.channels, `${load.window}`), () =>
      applyRun(participants, run, async () => void (after = await readUsages(participants, redis))),
    );
    return { ...result, perPush: costsBetween(contender, before, after, result.calls) };
  }

  /** Pushes at a fixed rate, and compares when pushes were due with when they came. Where there are no clients. */
  async measureAtRate(contender: ContenderName, run: RateRun): Promise<RateSample> {
    const { rate } = run;
    const participants = this.#participants(contender);
    await applyRateRun(participants, { ...run, rate: { ...rate, durationMs: rate.durationMs / 5 } });
    const profile = this.#profileOf(participants, run.channels, `${rate.perSecond} a second`);
    return profiled(profile, () => applyRateRun(participants, run));
  }

  /** With `--profile`: its backend, and one of the frontends, which all do the same. */
  #profileOf({ contender, backend, frontends }: Participants, { count, members }: Channels, load: string): Profiled {
    const channels = count > 1 ? `,${count} channels` : "";
    return {
      contender: `${contender}${this.#on}`,
      cell: `S=${frontends.length},N=${members}${channels},${load}`,
      processes: { backend, frontend: frontends[0]! },
    };
  }

  #participants(contender: ContenderName): Participants {
    const { backends, frontends } = this.#processes;
    const clients = this.#clients.get(RECEIVER_OF[contender]);
    return { contender, backend: backends.get(contender)!, frontends, clients };
  }
}
