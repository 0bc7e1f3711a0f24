import { redact } from "./redact.js";

/** No more than one line of a kind in this time, in milliseconds: whoever knocks with a wrong token is not to fill the disk. */
const INTERVAL_MS = 1000;

/** Says what goes wrong in lines on stderr. */
export class ErrorLines {
  readonly #kinds = new Map<string, { at: number; left: number }>();

  say(error: Error & { code?: string }): void {
    const kind = error.code ?? error.name;
    const now = performance.now();
    const last = this.#kinds.get(kind);
    if (last && now - last.at < INTERVAL_MS) {
      last.left++;
      return;
    }
    const left = last?.left ? ` (and ${last.left} more of ${kind} before)` : "";
    this.#kinds.set(kind, { at: now, left: 0 });
    const [line] = messageOf(error).split("\n");
    process.stderr.write(redact(`${new Date().toISOString()} error: ${line}${left}\n`));
  }
}

/** With the reason, where there is one. */
function messageOf({ message, cause }: Error): string {
  return cause instanceof Error && !message.includes(cause.message) ? `${message}: ${cause.message}` : message;
}
