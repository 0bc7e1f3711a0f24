import { createHash } from "node:crypto";
import { Redis } from "ioredis";
import * as ofManager from "../../src/managers/redis/scripts.js";
import * as ofRegistry from "../../src/registries/redis/scripts.js";
import type { Scope } from "./scope.js";

/** What the library's scripts are called, of which Redis tells only the hash. */
export class ScriptNames {
  readonly #names = new Map<string, string>();
  /** name -> code */
  readonly #codes = new Map<string, string>();

  constructor() {
    for (const { command, lua } of [...Object.values(ofManager), ...Object.values(ofRegistry)])
      this.#note(command, lua);
  }

  /** Learns those, too, that clients of this process get from now on: not every module tells its scripts. */
  listen(scope: Scope): void {
    const { prototype } = Redis;
    const { defineCommand } = prototype;
    const note = (command: string, lua: string): void => this.#note(command, lua);
    prototype.defineCommand = function (name, definition) {
      note(name, definition.lua);
      defineCommand.call(this, name, definition);
    };
    scope.defer(() => (prototype.defineCommand = defineCommand));
  }

  /** @param hash as `EVALSHA` has it */
  of(hash: string): string | undefined {
    return this.#names.get(hash);
  }

  /** @param code the beginning of it, as `EVAL` has it. @returns undefined, too, if several begin like that */
  beginningWith(code: string): string | undefined {
    const [name, ...others] = [...this.#codes].filter(([, all]) => all.startsWith(code)).map(([of]) => of);
    return others.length === 0 ? name : undefined;
  }

  /** @param command `globalchannel:<name>:<version>` */
  #note(command: string, lua: string): void {
    const name = command.split(":")[1] ?? command;
    this.#names.set(createHash("sha1").update(lua).digest("hex"), name);
    this.#codes.set(name, lua);
  }
}
