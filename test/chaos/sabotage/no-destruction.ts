// A cluster in which channels are not destroyed.
import { RedisChannelManager } from "../../../src/redis/index.js";

RedisChannelManager.prototype.destroyChannel = () => Promise.resolve(0);
