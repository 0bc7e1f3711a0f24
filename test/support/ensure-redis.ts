// Runs before the tests: gets a Redis server program if there is none, and says which one the tests use.
import { installRedis } from "./find-redis.js";

try {
  const { description } = await installRedis(console.log);
  console.log(`Tests start their own ${description}.`);
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
