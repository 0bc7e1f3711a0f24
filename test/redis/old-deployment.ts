import { createRequire } from "node:module";
import { promisify } from "node:util";
import { Redis } from "ioredis";

type Callback = (error: Error | null) => void;

/** The manager of pomelo-globalchannel-plugin, as far as it writes. */
interface OldManager {
  start(callback: Callback): void;
  stop(force: boolean, callback: Callback): void;
  add(name: string, uid: string | number, sid: string, callback: Callback): void;
  leave(name: string, uid: string | number, sid: string, callback: Callback): void;
}

const createManager = createRequire(import.meta.url)(
  "pomelo-globalchannel-plugin/lib/manager/redisGlobalChannelManager.js",
) as new (app: unknown, options: { host: string; port: number; prefix?: string }) => OldManager;

/** What old servers do: the real manager of pomelo-globalchannel-plugin on its own Redis client. */
export class OldDeployment {
  readonly #manager: OldManager;

  constructor(manager: OldManager) {
    this.#manager = manager;
  }

  static async start({ host, port }: { host: string; port: number }, prefix?: string): Promise<OldDeployment> {
    const options = prefix === undefined ? { host, port } : { host, port, prefix };
    const manager = new createManager({ getServers: () => ({}), isFrontend: () => true }, options);
    await promisify(manager.start.bind(manager))();
    return new OldDeployment(manager);
  }

  async stop(): Promise<void> {
    await promisify(this.#manager.stop.bind(this.#manager))(true);
  }

  async add(name: string, uid: string | number, sid: string): Promise<void> {
    await promisify(this.#manager.add.bind(this.#manager))(name, uid, sid);
  }

  async leave(name: string, uid: string | number, sid: string): Promise<void> {
    await promisify(this.#manager.leave.bind(this.#manager))(name, uid, sid);
  }
}

/** Every key that begins with `prefix`, with its content. */
export async function dump(client: Redis, prefix: string): Promise<Map<string, string>> {
  const keys = (await client.keys("*")).filter((key) => key.startsWith(prefix)).toSorted();
  const contents = await Promise.all(keys.map((key) => readAll(client, key)));
  return new Map(keys.map((key, index) => [key, contents[index]!]));
}

async function readAll(client: Redis, key: string): Promise<string> {
  switch (await client.type(key)) {
    // Serialized, the same set may differ: its order changes when Redis tidies it up.
    case "set":
      return JSON.stringify((await client.smembersBuffer(key)).map((uid) => uid.toString("base64")).toSorted());
    case "hash":
      return JSON.stringify(
        Object.entries(await client.hgetall(key))
          .map(String)
          .toSorted(),
      );
    default:
      return (await client.dumpBuffer(key)).toString("base64");
  }
}

/** How many changes Redis has made since it started. */
export async function countWrites(client: Redis): Promise<number> {
  return Number(/rdb_changes_since_last_save:(\d+)/.exec(await client.info("persistence"))![1]);
}
