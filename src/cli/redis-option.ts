import { InvalidArgumentError, Option } from "commander";

/** `--redis`, or `REDIS_URL`, which other users of the machine do not see. */
export function redisOption(): Option {
  return new Option("--redis <url>", "redis://:password@host:port/db, or rediss:// for TLS")
    .env("REDIS_URL")
    .argParser(checkUrl);
}

/** What is no URL could be shown cut off, and a password in it would not be recognized any more. */
function checkUrl(value: string): string {
  if (!/^rediss?:\/\//.test(value)) throw new InvalidArgumentError("It must begin with redis:// or rediss://.");
  return value;
}
