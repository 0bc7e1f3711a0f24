// A cluster that forgets who has left, once its frontend is away.
import { RedisChannelManager } from "../../../src/redis/index.js";

const { addMany } = RedisChannelManager.prototype;

RedisChannelManager.prototype.addMany = function (memberships) {
  return addMany.call(this, memberships, "join");
};
