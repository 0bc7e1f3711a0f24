import { constants } from "node:os";

const openScopes = new Set<Scope>();
let interrupted = false;

/** Collects what has to be ended. */
export class Scope {
  readonly #steps: (() => unknown)[] = [];
  #isClosed = false;

  /** What was started while all was being ended is ended at once. */
  defer(step: () => unknown): void {
    this.#steps.push(step);
    if (this.#isClosed) void this.close();
  }

  /** Runs the steps, the last one first, each once; also where one of them fails. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        if (!interrupted) console.error(error);
      }
    }
  }
}

/** Runs `work` and then what it has deferred: also when it fails, and on Ctrl-C. */
export async function inScope<T>(work: (scope: Scope) => Promise<T>): Promise<T> {
  const scope = new Scope();
  openScopes.add(scope);
  try {
    return await work(scope);
  } finally {
    await scope.close();
    openScopes.delete(scope);
  }
}

/** Whether everything is being ended because of a signal. */
export function wasInterrupted(): boolean {
  return interrupted;
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => {
    interrupted = true;
    console.error(`\n${signal}: ending what was started`);
    void endAll().finally(() => process.exit(128 + constants.signals[signal]));
  });
}

async function endAll(): Promise<void> {
  for (const scope of [...openScopes].toReversed()) await scope.close();
}
