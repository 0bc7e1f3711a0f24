import type { PluginService } from "../../test/cluster/frameworks/plugin-service.js";
import { channelOf, uidOf } from "./contender.js";

export interface Adds {
  /** Channels of this room are filled one after the other, each with the same users. */
  room: string;
  membersPerChannel: number;
  adds: number;
  outstanding: number;
  sids: readonly string[];
}

export interface AddsOutcome {
  elapsedMs: number;
  /** For each add, how long until its callback. */
  latenciesMs: number[];
}

/** Makes users members, as fast as the callbacks come. Rejects if one of them got an error. */
export async function add(service: PluginService, options: Adds): Promise<AddsOutcome> {
  const { room, membersPerChannel, adds, outstanding, sids } = options;
  const latenciesMs = Array.from<number>({ length: adds });
  let begun = 0;
  let answered = 0;
  const startedAt = performance.now();
  await new Promise<void>((resolve, reject) => {
    const addNext = (): void => {
      if (begun === adds) return;
      const index = begun++;
      const user = index % membersPerChannel;
      const name = channelOf(room, Math.floor(index / membersPerChannel));
      const calledAt = performance.now();
      service["add"]!(name, uidOf(user), sids[user % sids.length], (error: Error | null) => {
        latenciesMs[index] = performance.now() - calledAt;
        if (error) reject(error);
        else if (++answered === adds) resolve();
        else addNext();
      });
    };
    for (let lane = 0; lane < outstanding; lane++) addNext();
  });
  return { elapsedMs: performance.now() - startedAt, latenciesMs };
}
