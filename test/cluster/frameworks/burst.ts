import { performance } from "node:perf_hooks";
import type { PluginService } from "./plugin-service.js";

export interface BurstOptions {
  /** How many pushes, and how many of them at the same time. */
  pushes: number;
  outstanding: number;
  stype: string;
  route: string;
  /** The channel. */
  name: string;
  /** How many characters of padding each message has. */
  size: number;
}

/** What each client gets: the number of the push, from 1, and when it was called. */
export interface BurstMessage {
  n: number;
  at: number;
  pad: string;
}

/** Times are those of {@link now}. */
export interface BurstOutcome {
  startedAt: number;
  endedAt: number;
  /** How many callbacks got an error. */
  failures: number;
  /** For each push, how long until its callback. */
  latenciesMs: number[];
}

/** Milliseconds on a clock that all processes of this machine share. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** Pushes as fast as the callbacks come. */
export async function burst(service: PluginService, options: BurstOptions): Promise<BurstOutcome> {
  const { pushes, outstanding, stype, route, name, size } = options;
  const pad = "x".repeat(size);
  const latenciesMs = Array.from<number>({ length: pushes });
  let failures = 0;
  let lastNumber = 0;
  const startedAt = now();
  await new Promise<void>((resolve) => {
    let answered = 0;
    const pushNext = (): void => {
      if (lastNumber === pushes) return;
      const message: BurstMessage = { n: ++lastNumber, at: now(), pad };
      service["pushMessage"]!(stype, route, message, name, {}, (error: unknown) => {
        latenciesMs[message.n - 1] = now() - message.at;
        if (error) failures++;
        if (++answered === pushes) resolve();
        else pushNext();
      });
    };
    for (let lane = 0; lane < outstanding; lane++) pushNext();
  });
  return { startedAt, endedAt: now(), failures, latenciesMs };
}
