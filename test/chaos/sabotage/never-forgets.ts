// A registry that lists every frontend that it has ever listed, and never calls one dead.
import { RedisServerRegistry } from "../../../src/redis/index.js";
import type { FrontendInfo } from "../../../src/index.js";

const { list } = RedisServerRegistry.prototype;
const listed = new Map<string, FrontendInfo>();

RedisServerRegistry.prototype.list = async function () {
  for (const frontend of await list.call(this)) listed.set(frontend.sid, frontend);
  return [...listed.values()];
};
RedisServerRegistry.prototype.listDead = () => Promise.resolve([]);
