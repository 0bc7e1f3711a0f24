// A cluster in which frontends do not register their members again.
import { RedisChannelManager } from "../../../src/redis/index.js";

const { addMany } = RedisChannelManager.prototype;

RedisChannelManager.prototype.addMany = function (memberships, reason) {
  return reason === "restored" ? Promise.resolve(0) : addMany.call(this, memberships, reason);
};
