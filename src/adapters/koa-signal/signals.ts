import type { GlobalChannelService } from "../../service/service.js";
import { readBody } from "./body.js";
import { initiatorOf, peersOf } from "./channels.js";
import type { KoaContext } from "./context.js";
import { cidOf, isId } from "./credentials.js";
import { noPeer, noSwarm } from "./refusals.js";

export interface SignalsOptions {
  service: GlobalChannelService;
  stype: string;
  /** The largest body of a request. */
  maxBytes: number;
}

/** Sends the signals that peers post. */
export class Signals {
  readonly #options: SignalsOptions;

  constructor(options: SignalsOptions) {
    this.#options = options;
  }

  /** Sends a signal to all peers of the swarm, the sender among them, or to one. 3 round trips to the cluster; 4 for one. */
  async post(ctx: KoaContext, id: string): Promise<void> {
    const { service, stype, maxBytes } = this.#options;
    // The body is on its way anyhow; that there is no such swarm is said first.
    const [count, read] = await Promise.allSettled([service.count(initiatorOf(id)), readBody(ctx, maxBytes)]);
    if (count.status === "rejected") throw count.reason;
    if (count.value === 0) noSwarm(ctx);
    if (read.status === "rejected") throw read.reason;
    const { token, data, cid } = read.value;
    const isForAll = isMissing(cid);
    const [isPeer, isReceiver] = await Promise.all([this.#isPeer(id, cidOf(token)), isForAll || this.#isPeer(id, cid)]);
    if (!isPeer) ctx.throw(401, "token is not that of a peer of this swarm");
    if (isMissing(data)) ctx.throw(400, "data is missing");
    if (!isReceiver) noPeer(ctx);
    if (isForAll) {
      await service.pushMessage(stype, "signal", data, peersOf(id));
    } else {
      const { delivered, unknown } = await service.pushToUsers(stype, "signal", data, [cid as string]);
      if (delivered + unknown === 0) noPeer(ctx);
    }
    ctx.status = 200;
  }

  async #isPeer(id: string, cid: unknown): Promise<boolean> {
    return isId(cid) && (await this.#options.service.isMember(peersOf(id), cid));
  }
}

/** Whether a field of a body says nothing: empty ones of forms do not either. */
function isMissing(value: unknown): boolean {
  return value === undefined || value === null || value === "";
}
