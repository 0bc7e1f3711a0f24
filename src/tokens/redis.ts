import type { RedisConnection } from "../redis/connection.js";
import type { TokenStore } from "../types.js";

/** Keeps each record in a key of its own, on the clock of Redis. See {@link TokenStore}. */
export class RedisTokenStore implements TokenStore {
  readonly #connection: RedisConnection;

  constructor(connection: RedisConnection) {
    this.#connection = connection;
  }

  start(): Promise<void> {
    return this.#connection.open();
  }

  stop(): Promise<void> {
    return this.#connection.close();
  }

  async put(id: string, record: string, ttlMs: number): Promise<void> {
    await this.#connection.command((client) => client.set(this.#key(id), record, "PX", ttlMs));
  }

  async take(id: string): Promise<string | undefined> {
    return (await this.#connection.command((client) => client.getdel(this.#key(id)))) ?? undefined;
  }

  #key(id: string): string {
    return this.#connection.layout.of(id).token(id);
  }
}
