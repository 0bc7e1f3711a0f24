// Runs before the tests: gets a Redis server program, and the one that makes clusters, if there is none, and says which the tests use.
import { installRedis } from "./find-redis.js";
import { installRedisCli } from "./redis-cli.js";

try {
  const { description } = await installRedis(console.log);
  await installRedisCli(console.log);
  console.log(`Tests start their own ${description}.`);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
