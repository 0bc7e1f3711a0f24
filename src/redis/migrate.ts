import type { Redis } from "ioredis";
import { checkName, describe, invalid } from "../arguments.js";
import { chunks } from "../batches.js";
import { isGlobalChannelError } from "../errors.js";
import { RedisChannelManager } from "../managers/redis/manager.js";
import { aFunction, optional, resolveOptions } from "../options.js";
import { BATCH, RedisConnection } from "./connection.js";
import { DistinctCount } from "./distinct-count.js";
import { OldKeys, readName } from "./old-keys.js";
import type { RedisSource } from "./source.js";

export interface MigrationOptions {
  /** Where both the old keys and ours are: a URL, ioredis options or an ioredis client, which is not closed. */
  redis: RedisSource;
  /** What the old keys begin with: the `prefix` of pomelo-globalchannel-plugin, which has `POMELO:CHANNEL` by default. */
  from: string;
  /** What our keys begin with. Keys of the one must not look like keys of the other. @default "gc" */
  prefix?: string;
  /** Told of how far it is, after each page of up to about 1,000 members. What it throws ends the migration. */
  onProgress?: (progress: MigrationProgress) => void;
  /** Ends the migration when it is aborted; running it again goes on. @default never */
  signal?: AbortSignal;
}

export interface MigrationProgress {
  /** How many keys below the old prefix were seen, of whatever kind. */
  keysSeen: number;
  /** How many member sets were begun. */
  sets: number;
  /** How many of their members were read, without those skipped. */
  members: number;
  /** How many of these were not members in ours before. */
  added: number;
}

/** What a migration has done. Sets and members that change meanwhile may be counted twice. */
export interface MigrationReport extends Omit<MigrationProgress, "keysSeen"> {
  /** How many channels the sets belong to: exact up to 100,000, then within about 0.01 %. */
  channels: number;
  skipped: {
    /** Keys below the old prefix that are no sets. */
    otherTypes: number;
    /** Sets below the old prefix whose keys are not `<from>:<name>:<sid>`. */
    otherKeys: number;
    /** Sets whose channel or sid has a name that globalchannel refuses: longer than 1,024 bytes, or not UTF-8. */
    names: number;
    /** Members of the other sets whose uid it refuses. */
    uids: number;
    /** The first 10 of all these, and why. */
    examples: string[];
  };
  durationMs: number;
}

/** How many sets are copied at the same time: enough to keep Redis busy, few enough for everyone else to be served between. */
const CONCURRENCY = 16;
const MAX_EXAMPLES = 10;

/**
 * Copies the members of a pomelo-globalchannel-plugin deployment, which may run and write meanwhile, into ours. Nothing of the
 * old deployment is changed. Only what is missing is written, so that running it again takes what has come meanwhile, and
 * changes nothing if there is none; members who have left the old deployment meanwhile are not taken out of ours.
 *
 * Memory does not depend on how much there is: sets are read in pages of about 1,000 members, 16 sets at a time. Costs 2 round
 * trips for 1,000 keys of the database, and 2 to 3 for each page.
 *
 * @throws `GC_INVALID_OPTION`, `GC_STORE_UNAVAILABLE` (temporary; what was copied stays, and running it again goes on),
 *   `GC_STORE_ERROR`, and the reason of the signal
 */
export async function migrate(options: MigrationOptions): Promise<MigrationReport> {
  const startedAt = performance.now();
  const { redis, from, prefix, onProgress, signal } = resolveOptions("migrate", options, {
    // These two are checked by the connection.
    redis: (_option, value) => value as RedisSource,
    prefix: (_option, value = "gc") => value as string,
    from: checkName,
    onProgress: optional(aFunction<NonNullable<MigrationOptions["onProgress"]>>()),
    signal: optional(anAbortSignal),
  });
  const connection = new RedisConnection(redis, { prefix });
  const oldKeys = new OldKeys(from);
  oldKeys.checkApart(prefix, connection.layout);
  signal?.throwIfAborted();
  await connection.open();
  try {
    const migration = new Migration(connection, oldKeys, { onProgress, signal });
    await migration.run();
    return { ...migration.counts, durationMs: Math.round(performance.now() - startedAt) };
  } finally {
    await connection.close();
  }
}

function anAbortSignal(option: string, value: unknown): AbortSignal {
  if (!(value instanceof AbortSignal)) throw invalid(option, value, "an AbortSignal");
  return value;
}

/** The members of an old channel at a frontend. */
interface OldSet {
  key: Buffer;
  name: string;
  sid: string;
}

class Migration {
  readonly #connection: RedisConnection;
  readonly #manager: RedisChannelManager;
  readonly #oldKeys: OldKeys;
  readonly #onProgress: MigrationOptions["onProgress"];
  readonly #failed = new AbortController();
  readonly #signal: AbortSignal;
  readonly #progress: MigrationProgress = { keysSeen: 0, sets: 0, members: 0, added: 0 };
  readonly #channels = new DistinctCount();
  readonly #skipped: MigrationReport["skipped"] = { otherTypes: 0, otherKeys: 0, names: 0, uids: 0, examples: [] };

  constructor(
    connection: RedisConnection,
    oldKeys: OldKeys,
    { onProgress, signal }: { [K in "onProgress" | "signal"]: MigrationOptions[K] | undefined },
  ) {
    this.#connection = connection;
    this.#manager = new RedisChannelManager(connection);
    this.#oldKeys = oldKeys;
    this.#onProgress = onProgress;
    this.#signal = AbortSignal.any([this.#failed.signal, ...(signal ? [signal] : [])]);
  }

  get counts(): Omit<MigrationReport, "durationMs"> {
    const { keysSeen: _, ...counts } = this.#progress;
    return { ...counts, channels: this.#channels.value, skipped: this.#skipped };
  }

  /** When this settles, nothing is under way any more. */
  async run(): Promise<void> {
    const sets = this.#findSets();
    const worker = async (): Promise<void> => {
      try {
        for await (const set of sets) await this.#copy(set);
      } catch (error) {
        this.#failed.abort(error);
      }
    };
    // They share the sets, so that keys are scanned no faster than sets are copied.
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    this.#signal.throwIfAborted();
    this.#tell();
  }

  async *#findSets(): AsyncGenerator<OldSet> {
    for (const server of this.#connection.servers) yield* this.#findSetsAt(server);
  }

  async *#findSetsAt(server: Redis): AsyncGenerator<OldSet> {
    let cursor = "0";
    do {
      const from = cursor;
      this.#signal.throwIfAborted();
      const [next, keys] = await this.#connection.ask(server, (client) =>
        client.scanBuffer(from, "MATCH", this.#oldKeys.pattern, "COUNT", BATCH),
      );
      // Not by SCAN's own TYPE, which would say nothing of what it leaves out.
      const types = await this.#connection.command((client) => Promise.all(keys.map((key) => client.type(key))));
      for (const [index, key] of keys.entries()) {
        const set = this.#recognize(key, types[index]!);
        if (set) yield set;
      }
      cursor = next.toString();
    } while (cursor !== "0");
  }

  #recognize(key: Buffer, type: string): OldSet | undefined {
    // Deleted meanwhile.
    if (type === "none") return undefined;
    this.#progress.keysSeen++;
    if (type !== "set") return this.#skip("otherTypes", key, `it is of type ${type}`);
    const parts = this.#oldKeys.split(key);
    if (!parts) return this.#skip("otherKeys", key, "it is not a name, a colon and a sid");
    try {
      return { key, name: readName("name", parts.name), sid: readName("sid", parts.sid) };
    } catch (error) {
      return this.#skipRefused("names", key, error);
    }
  }

  async #copy({ key, name, sid }: OldSet): Promise<void> {
    this.#progress.sets++;
    this.#channels.add(name);
    let cursor = "0";
    do {
      const from = cursor;
      const [next, page] = await this.#connection.command((client) => client.sscanBuffer(key, from, "COUNT", BATCH));
      const uids = page.flatMap((bytes) => this.#readUid(key, bytes) ?? []);
      // A page is larger than asked for where Redis keeps the set in one piece.
      for (const some of chunks(uids, BATCH)) {
        this.#signal.throwIfAborted();
        await this.#addMissing(name, sid, some);
      }
      cursor = next.toString();
    } while (cursor !== "0");
  }

  #readUid(key: Buffer, bytes: Buffer): string | undefined {
    try {
      return readName("uid", bytes);
    } catch (error) {
      return this.#skipRefused("uids", key, error);
    }
  }

  /** An add that changes nothing would raise the version of the set, so that its frontend would have to read it again. */
  async #addMissing(name: string, sid: string, uids: readonly string[]): Promise<void> {
    const isThere = await this.#connection.command((client) =>
      client.smismember(this.#connection.layout.of(name).members(name, sid), ...uids),
    );
    const missing = uids.filter((_uid, index) => isThere[index] === 0);
    this.#progress.members += uids.length;
    if (missing.length > 0) {
      const added = await this.#manager.addMany(missing.map((uid) => ({ name, uid, sid })));
      // Not in one: `+=` would read the sum before it waits, and lose what others add meanwhile.
      this.#progress.added += added;
    }
    this.#tell();
  }

  #tell(): void {
    this.#onProgress?.({ ...this.#progress });
  }

  #skipRefused(kind: "names" | "uids", key: Buffer, error: unknown): undefined {
    if (!isGlobalChannelError(error)) throw error;
    this.#skip(kind, key, error.message);
  }

  #skip(kind: Exclude<keyof MigrationReport["skipped"], "examples">, key: Buffer, reason: string): undefined {
    this.#skipped[kind]++;
    const { examples } = this.#skipped;
    if (examples.length < MAX_EXAMPLES) examples.push(`${describe(key.toString())}: ${reason}`);
  }
}
