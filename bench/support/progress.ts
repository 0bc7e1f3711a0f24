import { type Progress, startProgress } from "../../src/cli/progress.js";

let shown: Progress | undefined;

/** Says what is going on, on one line, where somebody may be looking. */
export function progress(text: string): void {
  shown ??= startProgress(text, { isQuiet: false });
  shown.say(text);
}

/** Takes the line away. */
export function endProgress(): void {
  shown?.end();
  shown = undefined;
}
