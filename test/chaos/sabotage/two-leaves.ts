// A service that tells twice who has left because a frontend died.
import { GlobalChannelService } from "../../../src/index.js";

const emit = GlobalChannelService.prototype.emit as (this: unknown, ...args: unknown[]) => boolean;

GlobalChannelService.prototype.emit = function (this: unknown, ...args: unknown[]) {
  if ((args[1] as { reason?: string } | undefined)?.reason === "server-down") emit.apply(this, args);
  return emit.apply(this, args);
};
