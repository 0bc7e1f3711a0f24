import type { Membership } from "../contenders/contender.js";
import { channelName, type Channels, userAt } from "./channels.js";

/** Members of a channel who give their places to others at the same frontend. */
export interface Replacement {
  leaves: Membership[];
  joins: Membership[];
}

/** Who is in channels whose members are being replaced; a channel's places take turns. */
export class Churn {
  readonly #channels: Channels;
  readonly #sids: readonly string[];
  /** How many have been replaced so far, by channel. */
  readonly #replaced: Uint32Array;
  readonly #busy = new Set<number>();
  #next = 0;

  constructor(channels: Channels, sids: readonly string[]) {
    const { count, members } = channels;
    // Whoever comes is the user at the same place of the next channel, who has to be at the same frontend.
    if (count < 2 || members % sids.length !== 0) {
      throw new Error("churn needs two channels, of as many members at each frontend");
    }
    this.#channels = channels;
    this.#sids = sids;
    this.#replaced = new Uint32Array(count);
  }

  /** Takes the channel whose turn it is, passing over those that are taken. */
  take(): number {
    if (this.#busy.size === this.#channels.count) throw new Error("churn needs more channels than outstanding pushes");
    for (;;) {
      const channel = this.#next;
      this.#next = (channel + 1) % this.#channels.count;
      if (this.#busy.has(channel)) continue;
      this.#busy.add(channel);
      return channel;
    }
  }

  giveBack(channel: number): void {
    this.#busy.delete(channel);
  }

  /** Replaces this share of a channel's members. */
  replace(channel: number, share: number): Replacement {
    const { members } = this.#channels;
    const name = channelName(this.#channels, channel);
    const replacement: Replacement = { leaves: [], joins: [] };
    for (let left = Math.round(share * members); left > 0; left--) {
      const replaced = this.#replaced[channel]!++;
      const place = replaced % members;
      const own = { name, ...userAt(this.#channels, channel, place, this.#sids) };
      const other = { name, ...userAt(this.#channels, channel + 1, place, this.#sids) };
      // Everybody is replaced before anybody is again.
      const isOwnThere = Math.floor(replaced / members) % 2 === 0;
      replacement.leaves.push(isOwnThere ? own : other);
      replacement.joins.push(isOwnThere ? other : own);
    }
    return replacement;
  }
}
