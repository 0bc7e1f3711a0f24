import { chunks } from "../../src/batches.js";
import { GlobalChannelService } from "../../src/index.js";
import { redis } from "../../src/redis/index.js";
import { STYPE } from "../support/names.js";
import { ROUTE } from "../support/pushes.js";
import { type Contender, FILL_BATCH, TIMEOUT_MS } from "./contender.js";

/** This library: `service.pushMessage`. */
export class OursContender implements Contender {
  readonly #service: GlobalChannelService;

  constructor(url: string) {
    this.#service = new GlobalChannelService({
      cluster: redis(url),
      timeoutMs: TIMEOUT_MS,
      // Looking for dead frontends is not part of a push.
      reapIntervalMs: 60_000,
    });
  }

  start(): Promise<void> {
    return this.#service.start();
  }

  stop(): Promise<void> {
    return this.#service.stop();
  }

  async fill(name: string, members: readonly { uid: string; sid: string }[]): Promise<void> {
    for (const batch of chunks(members, FILL_BATCH)) {
      await this.#service.addMany(batch.map((member) => ({ ...member, name })));
    }
  }

  async push(name: string, msg: unknown): Promise<number> {
    const { delivered } = await this.#service.pushMessage(STYPE, ROUTE, msg, name);
    return delivered;
  }
}
