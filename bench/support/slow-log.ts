import type { Redis } from "ioredis";
import type { ScriptNames } from "./script-names.js";

/** A command that has kept Redis from everything else for long. */
export interface SlowCommand {
  /** Its own, or that of its script. */
  name: string;
  /** The name and the first arguments. */
  command: string;
  ms: number;
}

/** From how long on Redis writes a command down, in microseconds: scheduling takes as long now and then. */
const THRESHOLD = 1000;
const MAX_ENTRIES = 100_000;
const MAX_ARGUMENTS = 3;
const MAX_ARGUMENT_LENGTH = 40;

/** [id, time, microseconds, arguments, ...] */
type Entry = [number, number, number, string[], ...unknown[]];

/**
 * `SLOWLOG`: what Redis itself says of how long commands took, without the time in which they waited for their turn. Commands
 * that scripts make are among them.
 */
export class SlowLog {
  readonly #client: Redis;
  readonly #names: ScriptNames;

  private constructor(client: Redis, names: ScriptNames) {
    this.#client = client;
    this.#names = names;
  }

  static async start(client: Redis, names: ScriptNames): Promise<SlowLog> {
    await client.config("SET", "slowlog-max-len", MAX_ENTRIES);
    await client.config("SET", "slowlog-log-slower-than", THRESHOLD);
    await client.call("SLOWLOG", "RESET");
    return new SlowLog(client, names);
  }

  /** The commands of a millisecond or more since the last time, of whoever they were; the slowest first. */
  async take(): Promise<SlowCommand[]> {
    const entries = (await this.#client.call("SLOWLOG", "GET", MAX_ENTRIES)) as Entry[];
    await this.#client.call("SLOWLOG", "RESET");
    return entries
      .map(([, , microseconds, words]) => ({ ...this.#describe(words), ms: microseconds / 1000 }))
      .toSorted((a, b) => b.ms - a.ms);
  }

  #describe([command = "", ...words]: readonly string[]): Omit<SlowCommand, "ms"> {
    const isScript = /^eval/i.test(command);
    const name = isScript ? `script ${this.#nameOf(words[0] ?? "")}` : command.toUpperCase();
    // EVALSHA hash, number of keys, keys, arguments
    const rest = isScript ? words.slice(2) : words;
    const shown = rest.slice(0, MAX_ARGUMENTS).map(shorten);
    return { name, command: [name, ...shown, ...(rest.length > MAX_ARGUMENTS ? ["..."] : [])].join(" ") };
  }

  /** @param script its hash, or, where Redis has got it for the first time, its code, of which it tells the beginning */
  #nameOf(script: string): string {
    const code = script.replace(/\.\.\. \(\d+ more bytes\)$/, "");
    return this.#names.of(script) ?? this.#names.beginningWith(code) ?? "that is new";
  }
}

function shorten(word: string): string {
  return word.length > MAX_ARGUMENT_LENGTH ? `${word.slice(0, MAX_ARGUMENT_LENGTH)}...` : word;
}
