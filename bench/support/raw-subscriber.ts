import { Redis } from "ioredis";

/** The pub/sub channel by which a frontend gets messages of the raw contender. */
export function rawChannel(sid: string): string {
  return `raw:in:${sid}`;
}

/** Where it says that it has got all up to a message that ends with {@link MARKER}. */
export const RAW_REPLIES = "raw:replies";
export const MARKER = "!";

/** Gets messages and does nothing with them: what Redis pub/sub can do on this machine at most. */
export class RawSubscriber {
  readonly #subscriber: Redis;
  readonly #client: Redis;
  readonly #sid: string;

  constructor(url: string, sid: string) {
    this.#client = new Redis(url, { lazyConnect: true });
    this.#subscriber = this.#client.duplicate();
    this.#sid = sid;
  }

  async start(): Promise<void> {
    await Promise.all([this.#client.connect(), this.#subscriber.connect()]);
    this.#subscriber.on("message", (_channel: string, message: string) => {
      if (message.endsWith(MARKER)) void this.#client.publish(RAW_REPLIES, this.#sid);
    });
    await this.#subscriber.subscribe(rawChannel(this.#sid));
  }
}
