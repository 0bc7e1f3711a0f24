import { createRequire } from "node:module";
import { Redis } from "ioredis";

type Callback = (...args: unknown[]) => void;

/** npm `redis` 0.10, which the original uses; the callback may also be the last of the arguments. */
interface OldRedis {
  RedisClient: {
    prototype: { send_command(command: string, args: unknown[] | undefined, callback?: Callback): unknown };
  };
}

/**
 * Counts the commands that this process sends, by our client library and by the original's. Redis itself counts those that
 * scripts call alike; and that commands were sent together, nobody else can tell.
 */
export function watchRedisCalls(): () => { commands: number; roundTrips: number } {
  let commands = 0;
  let roundTrips = 0;
  let unanswered = 0;
  const sent = (): void => {
    commands++;
    if (unanswered++ === 0) roundTrips++;
  };
  const answered = (): void => {
    unanswered--;
  };

  const { sendCommand } = Redis.prototype;
  Redis.prototype.sendCommand = function (command, stream) {
    sent();
    command.promise.then(answered, answered);
    return sendCommand.call(this, command, stream);
  };

  const requireAsOriginal = createRequire(createRequire(import.meta.url).resolve("pomelo-globalchannel-plugin"));
  const { prototype } = (requireAsOriginal("redis") as OldRedis).RedisClient;
  const { send_command: send } = prototype;
  prototype.send_command = function (command, args = [], callback) {
    sent();
    const own = callback ?? (typeof args.at(-1) === "function" ? (args.at(-1) as Callback) : undefined);
    const rest = callback || !own ? args : args.slice(0, -1);
    return send.call(this, command, rest, (...results) => {
      answered();
      own?.(...results);
    });
  };
  return () => ({ commands, roundTrips });
}
