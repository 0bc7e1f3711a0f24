// A setup of server processes: each server gets the channel manager that `managers` names for it.
import type { Application } from "./framework.js";
import type { Setup } from "./server-process.js";

/** What the options hold besides those of the plugin. */
export interface CustomManagers {
  managers: {
    /** Those that are not named here have the plugin's own. */
    [sid: string]: "object" | "factory" | "with start";
  };
}

/** A channel whose members cannot be read. */
export const UNREADABLE = "unreadable";
/** A channel with one member at `connector-1`, of whom a manager that a factory has made says with what it was. */
export const MADE_WITH = "made with";

type Done = (error: Error | null, result?: unknown) => void;

/** A manager as the original describes them: in callback style, and no method `start` is asked for. */
class TableManager {
  readonly #rows = new Set<string>();

  add(name: string, uid: string, sid: string, done: Done): void {
    this.#rows.add(JSON.stringify([name, sid, uid]));
    setImmediate(done, null);
  }

  leave(name: string, uid: string, sid: string, done: Done): void {
    this.#rows.delete(JSON.stringify([name, sid, uid]));
    setImmediate(done, null);
  }

  getMembersBySid(name: string, sid: string, done: Done): void {
    if (name === UNREADABLE) setImmediate(done, new Error(`no table for ${sid}`));
    else setImmediate(done, null, this.#select(name, sid));
  }

  destroyChannel(name: string, done: Done): void {
    for (const row of this.#rows) {
      if ((JSON.parse(row) as string[])[0] === name) this.#rows.delete(row);
    }
    setImmediate(done, null);
  }

  #select(name: string, sid: string): string[] {
    const rows = [...this.#rows].map((row) => JSON.parse(row) as [string, string, string]);
    return rows.filter((row) => row[0] === name && row[1] === sid).map(([, , uid]) => uid);
  }
}

class TableManagerWithStart extends TableManager {
  start(done: Done): void {
    setImmediate(done, null);
  }
}

function makeManager(app: Application, options: { prefix?: string }): TableManager {
  const manager = new TableManager();
  manager.add(MADE_WITH, `${app.getServerId()}, ${options.prefix}`, "connector-1", () => {});
  return manager;
}

const setup: Setup = (given, app) => {
  const { managers, ...options } = given as CustomManagers;
  switch (managers[app.getServerId()]) {
    case "object":
      return { ...options, channelManager: new TableManager() };
    case "factory":
      return { ...options, channelManager: makeManager };
    case "with start":
      return { ...options, channelManager: new TableManagerWithStart() };
    default:
      return options;
  }
};

export default setup;
