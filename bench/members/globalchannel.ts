import { GlobalChannelService } from "globalchannel";
import { redis } from "globalchannel/redis";
import type { Membership } from "../../src/types.js";
import { TIMEOUT_MS } from "../contenders/contender.js";
import type { Contender } from "./contender.js";

/** This library. */
export class GlobalChannelMembers implements Contender {
  readonly #service: GlobalChannelService;

  constructor(url: string) {
    // Looking for dead frontends is not part of a change.
    this.#service = new GlobalChannelService({ cluster: redis(url), timeoutMs: TIMEOUT_MS, reapIntervalMs: 600_000 });
  }

  start(): Promise<void> {
    return this.#service.start();
  }

  add(name: string, uid: string, sid: string): Promise<boolean> {
    return this.#service.add(name, uid, sid);
  }

  leave(name: string, uid: string, sid: string): Promise<boolean> {
    return this.#service.leave(name, uid, sid);
  }

  addMany(memberships: readonly Membership[]): Promise<number> {
    return this.#service.addMany(memberships);
  }

  leaveAll(uid: string, sid: string): Promise<number> {
    return this.#service.leaveAll(uid, sid);
  }

  destroyChannel(name: string): Promise<number> {
    return this.#service.destroyChannel(name);
  }

  count(name: string): Promise<number> {
    return this.#service.count(name);
  }

  getMembersBySid(name: string, sid: string): Promise<string[]> {
    return this.#service.getMembersBySid(name, sid);
  }
}
