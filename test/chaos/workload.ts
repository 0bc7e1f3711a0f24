import { setTimeout as sleep } from "node:timers/promises";

import { monotonicMs } from "../support/monotonic.js";
import type { ChaosCluster } from "./cluster.js";
import type { Audience, Call, Change, Push, Reading } from "./history.js";
import type { PlannedOp } from "./plan.js";
import type { Users } from "./users.js";

/** Calls the backends, and writes down what was called and what came of it. */
export class Workload {
  readonly changes: Change[] = [];
  readonly destructions: Call[] = [];
  readonly pushes: Push[] = [];
  readonly readings: Reading[] = [];
  readonly #cluster: ChaosCluster;
  readonly #underWay = new Set<Promise<unknown>>();
  #failure: { error: unknown } | undefined;

  constructor(cluster: ChaosCluster) {
    this.#cluster = cluster;
  }

  /** Resolves when everything was called for. */
  async run(planned: readonly PlannedOp[], startAt: number, users: Users): Promise<void> {
    for (const op of planned) {
      const waitMs = startAt + op.at - monotonicMs();
      if (waitMs > 0) await sleep(waitMs);
      this.#begin(op, users);
    }
  }

  /**
   * Resolves when all that was called for has ended, or the time is over: what has not ended then never will.
   * @throws what failed in a way that is no error of a call
   */
  async idle(withinMs: number): Promise<void> {
    const giveUpAt = monotonicMs() + withinMs;
    while (this.#underWay.size > 0 && monotonicMs() < giveUpAt) {
      await Promise.race([Promise.all(this.#underWay), sleep(giveUpAt - monotonicMs(), undefined, { ref: false })]);
    }
    if (this.#failure) throw this.#failure.error;
  }

  change(type: Change["type"], backend: number, name: string, uid: string, sid: string): void {
    this.#call(backend, async (process, life) => {
      const change: Change = {
        type,
        name,
        uid,
        sid,
        backend: life,
        start: monotonicMs(),
        end: Infinity,
        status: "maybe",
      };
      this.changes.push(change);
      Object.assign(change, await process.call("change", type, name, uid, sid), { end: monotonicMs() });
    });
  }

  destroy(backend: number, name: string): void {
    this.#call(backend, async (process, life) => {
      const destruction: Call = { name, backend: life, start: monotonicMs(), end: Infinity, status: "maybe" };
      this.destructions.push(destruction);
      Object.assign(destruction, await process.call("destroy", name), { end: monotonicMs() });
    });
  }

  push(backend: number, audience: Audience, except: readonly string[]): void {
    this.#call(backend, async (process, life) => {
      const id = this.pushes.length + 1;
      const push: Push = { id, backend: life, audience, except, start: monotonicMs(), end: Infinity };
      this.pushes.push(push);
      push.outcome = await process.call("push", id, audience, except);
      push.end = monotonicMs();
    });
  }

  read(backend: number, name: string): void {
    this.#call(backend, async (process, life) => {
      const start = monotonicMs();
      const members = await process.call("members", name);
      if (members) this.readings.push({ backend: life, name, start, end: monotonicMs(), members });
    });
  }

  #begin(op: PlannedOp, users: Users): void {
    switch (op.type) {
      case "join":
      case "leave": {
        const sids = users.sidsOf(op.uid);
        if (sids.length > 0) this.change(op.type, op.backend, op.name, op.uid, sids[op.place % sids.length]!);
        return;
      }
      case "push":
        this.push(op.backend, { names: op.names }, op.except);
        return;
      case "pushToUsers":
        this.push(op.backend, { uids: op.uids }, []);
        return;
      case "broadcast":
        this.push(op.backend, { everyone: true }, op.except);
        return;
      case "read":
        this.read(op.backend, op.name);
        return;
      case "destroy":
        this.destroy(op.backend, op.name);
        return;
      case "reconnect":
        this.#track(users.reconnect(op.device, op.to));
    }
  }

  /** Calls a backend, or the next one that is there. What it does not answer because it is killed stays unknown. */
  #call(
    index: number,
    call: (process: NonNullable<ChaosCluster["backends"][number]["live"]>["process"], life: string) => Promise<void>,
  ): void {
    const { backends } = this.#cluster;
    const live = backends.map((_host, step) => backends[(index + step) % backends.length]!.live).find((found) => found);
    if (!live) return;
    const { process, life } = live;
    this.#track(
      call(process, life.id).catch((error: unknown) => {
        if (life.endAt === undefined) throw error;
      }),
    );
  }

  #track(promise: Promise<unknown>): void {
    const settled = promise
      .catch((error: unknown) => void (this.#failure ??= { error }))
      .finally(() => this.#underWay.delete(settled));
    this.#underWay.add(settled);
  }
}
