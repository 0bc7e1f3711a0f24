import { RedisTransport } from "../../../src/redis/index.js";
import type { RequestHandler } from "../../../src/types.js";

/** From now on frontends of this process handle requests as `change` makes of how they should. */
export function changeHandling(change: (handler: RequestHandler) => RequestHandler): void {
  const { serve } = RedisTransport.prototype;
  RedisTransport.prototype.serve = function (sid, handler) {
    return serve.call(this, sid, change(handler));
  };
}
