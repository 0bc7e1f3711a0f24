import { GlobalChannelError } from "../../errors.js";
import type { KoaContext } from "./context.js";

export function noSwarm(ctx: KoaContext): never {
  return ctx.throw(404, "there is no such swarm");
}

export function noPeer(ctx: KoaContext): never {
  return ctx.throw(404, "there is no peer with this cid in this swarm");
}

export function tooMany(ctx: KoaContext, what: "peers" | "swarms", limit: number): never {
  return ctx.throw(429, `an address may have ${limit} ${what}`);
}

export function stopped(): GlobalChannelError {
  return new GlobalChannelError("GC_CLOSED", "signal has been stopped");
}
